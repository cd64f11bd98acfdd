//! POST /api/users/refresh: rotation, racing tabs, reuse.

use std::collections::HashSet;
use std::time::Duration;

use testkit::app::TestApp;
use testkit::app::proxy::Proxy;

use crate::support::{
    Person, app, app_with, claims, clears_cookies, refresh, set_cookies, sign_up, whoami, with_cookies,
};

/// A grace period so long that how fast the test runs makes no difference.
async fn patient() -> TestApp {
    app_with(&[("REFRESH_GRACE", "1h"), ("SESSION_TTL", "1000h")]).await
}

const GRACE: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

async fn refused(app: &TestApp, token: &str) {
    let response = refresh(app, token).await.expect(401);
    assert_eq!(response.problem(), "unauthenticated");
    assert!(clears_cookies(&response), "{:?}", response.headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_replaced_at_each_use() {
    let app = patient().await;
    let ana = sign_up(&app).await;
    app.clock.advance(MINUTE * 20);
    assert!(whoami(&app, &ana.access).await.is_null());
    let mut held = ana.clone();
    for _ in 0..3 {
        let next = Person::of(&refresh(&app, &held.refresh).await.expect(200));
        assert_eq!(next.view, ana.view);
        assert_eq!(next.session(), ana.session(), "the session stays");
        assert_ne!(next.refresh, held.refresh);
        assert_eq!(whoami(&app, &next.access).await, ana.view);
        held = next;
        app.clock.advance(MINUTE * 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_comes_back_late_ends_the_family() {
    let app = patient().await;
    let ana = sign_up(&app).await;
    let thief = Person::of(&refresh(&app, &ana.refresh).await.expect(200));
    let newest = Person::of(&refresh(&app, &thief.refresh).await.expect(200));
    app.clock.advance(GRACE + MINUTE);
    let other_device = Person::of(&crate::support::sign_in(&app, ana.email(), crate::support::PASSWORD).await);
    refused(&app, &ana.refresh).await;
    for token in [&ana.refresh, &thief.refresh, &newest.refresh] {
        refused(&app, token).await;
    }
    refresh(&app, &other_device.refresh).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn within_the_grace_period_a_replaced_token_gets_a_sibling() {
    let app = patient().await;
    let ana = sign_up(&app).await;
    let one = Person::of(&refresh(&app, &ana.refresh).await.expect(200));
    app.clock.advance(MINUTE * 55);
    let two = Person::of(&refresh(&app, &ana.refresh).await.expect(200));
    assert_ne!(one.refresh, two.refresh);
    assert_eq!(one.session(), two.session());
    // Both are good, long after what they were made from is not.
    app.clock.advance(GRACE);
    let next = Person::of(&refresh(&app, &two.refresh).await.expect(200));
    refresh(&app, &one.refresh).await.expect(200);
    // From then on the other sibling's time runs out, too.
    app.clock.advance(GRACE + MINUTE);
    refused(&app, &one.refresh).await;
    refused(&app, &next.refresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_tabs_that_race_all_stay_signed_in() {
    let app = patient().await;
    let another = app.start_second_instance(auth::build).await;
    let ana = sign_up(&app).await;
    let tabs = (0..10).map(|tab| refresh(if tab % 2 == 0 { &app } else { &another }, &ana.refresh));
    let tabs: Vec<_> =
        futures::future::join_all(tabs).await.into_iter().map(|tab| Person::of(&tab.expect(200))).collect();
    let tokens: HashSet<_> = tabs.iter().map(|tab| tab.refresh.clone()).collect();
    assert_eq!(tokens.len(), 10);
    // The race was one rotation: whichever token the browser kept is of the present generation.
    app.clock.advance(GRACE + MINUTE);
    let kept = Person::of(&refresh(&app, &tabs[7].refresh).await.expect(200));
    assert_eq!(kept.session(), ana.session());
    refused(&app, &ana.refresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_was_overtaken_or_revoked_is_not_stored() {
    let app = patient().await;
    let ana = sign_up(&app).await;
    let sessions = auth::store::sessions::Sessions::new(&app.context.database);
    let id = ana.session().parse().unwrap();
    let read = sessions.get(id).await.unwrap().unwrap();
    let next = auth::domain::session::Session { generation: 1, ..read };
    assert!(sessions.rotate(next.clone()).await.unwrap());
    assert!(!sessions.rotate(next.clone()).await.unwrap(), "somebody was faster");
    sessions.end(id).await.unwrap();
    let later = auth::domain::session::Session { generation: 2, ..next };
    assert!(!sessions.rotate(later).await.unwrap(), "signed out meanwhile");
    assert_eq!(sessions.get(id).await.unwrap(), None);
    refused(&app, &ana.refresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_token_of_ours_is_refused() {
    let app = patient().await;
    let ana = sign_up(&app).await;
    let response = app.request("POST", "/api/users/refresh").send().await.expect(401);
    assert!(clears_cookies(&response));
    for token in ["", "x", &ana.access, &"A".repeat(43), &ana.refresh[..42]] {
        refused(&app, token).await;
    }
    // The access token is not asked, and none of this hurt the real one.
    let both = [("access", "nonsense"), ("refresh", ana.refresh.as_str())];
    with_cookies(&app, "POST", "/api/users/refresh", &both).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_used_ends_and_one_that_is_does_not() {
    let app = app_with(&[("SESSION_TTL", "10h")]).await;
    let (idle, busy) = (sign_up(&app).await, sign_up(&app).await);
    app.clock.advance(MINUTE * 60 * 6);
    let busy = Person::of(&refresh(&app, &busy.refresh).await.expect(200));
    app.clock.advance(MINUTE * 60 * 5);
    refused(&app, &idle.refresh).await;
    let busy = Person::of(&refresh(&app, &busy.refresh).await.expect(200));
    assert_eq!(claims(&busy.access)["sub"], busy.view["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_nobody_is_signed_out() {
    let network = Proxy::of_mongodb().await;
    let app = app_with(&[("MONGODB_URL", &network.url())]).await;
    let ana = sign_up(&app).await;
    app.wait_until_idle().await;
    network.disconnect();
    let response = refresh(&app, &ana.refresh).await.expect(503);
    assert!(!response.header("retry-after").is_empty());
    assert!(set_cookies(&response).is_empty(), "the cookies are still good");
    network.restore();
    let back = async || refresh(&app, &ana.refresh).await.status == 200;
    testkit::app::eventually("the database to be back", back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_holds_no_token() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let next = Person::of(&refresh(&app, &ana.refresh).await.expect(200));
    for name in app.context.database.list_collection_names().await.unwrap() {
        let documents = app.context.database.collection::<mongodb::bson::Document>(&name);
        let mut found = documents.find(mongodb::bson::doc! {}).await.unwrap();
        while found.advance().await.unwrap() {
            let text = format!("{:?}", found.deserialize_current().unwrap());
            for secret in [&ana.refresh, &next.refresh, &ana.access, crate::support::PASSWORD] {
                assert!(!text.contains(secret as &str), "{name}: {text}");
            }
        }
    }
}
