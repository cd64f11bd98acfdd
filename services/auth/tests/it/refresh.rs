//! POST /api/users/refresh: rotation, concurrent tabs, reuse.

use std::collections::HashSet;
use std::time::Duration;

use testkit::app::TestApp;
use testkit::app::proxy::Proxy;

use crate::support::{
    SignedInUser, app, app_with, claims, clears_cookies, refresh, set_cookies, sign_up, whoami, with_cookies,
};

/// A grace period so long that the speed of the test makes no difference.
async fn app_with_long_grace() -> TestApp {
    app_with(&[("REFRESH_GRACE", "1h"), ("SESSION_TTL", "1000h")]).await
}

const GRACE: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

async fn assert_rejected(app: &TestApp, token: &str) {
    let response = refresh(app, token).await.expect(401);
    assert_eq!(response.problem(), "unauthenticated");
    assert!(clears_cookies(&response), "{:?}", response.headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_use_replaces_the_token() {
    let app = app_with_long_grace().await;
    let ana = sign_up(&app).await;
    app.clock.advance(MINUTE * 20);
    assert!(whoami(&app, &ana.access).await.is_null());
    let mut held = ana.clone();
    for _ in 0..3 {
        let next = SignedInUser::of(&refresh(&app, &held.refresh).await.expect(200));
        assert_eq!(next.view, ana.view);
        assert_eq!(next.session(), ana.session(), "the session stays");
        assert_ne!(next.refresh, held.refresh);
        assert_eq!(whoami(&app, &next.access).await, ana.view);
        held = next;
        app.clock.advance(MINUTE * 20);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reuse_after_the_grace_period_revokes_the_family() {
    let app = app_with_long_grace().await;
    let ana = sign_up(&app).await;
    let thief = SignedInUser::of(&refresh(&app, &ana.refresh).await.expect(200));
    let newest = SignedInUser::of(&refresh(&app, &thief.refresh).await.expect(200));
    app.clock.advance(GRACE + MINUTE);
    let other_device = SignedInUser::of(&crate::support::sign_in(&app, ana.email(), crate::support::PASSWORD).await);
    assert_rejected(&app, &ana.refresh).await;
    for token in [&ana.refresh, &thief.refresh, &newest.refresh] {
        assert_rejected(&app, token).await;
    }
    refresh(&app, &other_device.refresh).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_token_is_reissued_within_the_grace_period() {
    let app = app_with_long_grace().await;
    let ana = sign_up(&app).await;
    let one = SignedInUser::of(&refresh(&app, &ana.refresh).await.expect(200));
    app.clock.advance(MINUTE * 55);
    let two = SignedInUser::of(&refresh(&app, &ana.refresh).await.expect(200));
    assert_ne!(one.refresh, two.refresh);
    assert_eq!(one.session(), two.session());
    // Both tokens outlive the grace period of the token that they replaced.
    app.clock.advance(GRACE);
    let next = SignedInUser::of(&refresh(&app, &two.refresh).await.expect(200));
    refresh(&app, &one.refresh).await.expect(200);
    // Using `two` also replaced `one`, which is of the same rotation; after the grace period, `one` counts as reused.
    app.clock.advance(GRACE + MINUTE);
    assert_rejected(&app, &one.refresh).await;
    assert_rejected(&app, &next.refresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_tabs_all_stay_signed_in() {
    let app = app_with_long_grace().await;
    let another = app.start_second_instance(auth::build).await;
    let ana = sign_up(&app).await;
    let tabs = (0..10).map(|tab| refresh(if tab % 2 == 0 { &app } else { &another }, &ana.refresh));
    let tabs: Vec<_> =
        futures::future::join_all(tabs).await.into_iter().map(|tab| SignedInUser::of(&tab.expect(200))).collect();
    let tokens: HashSet<_> = tabs.iter().map(|tab| tab.refresh.clone()).collect();
    assert_eq!(tokens.len(), 10);
    // There was one rotation: every token that the browser may have kept is of the current rotation.
    app.clock.advance(GRACE + MINUTE);
    let kept = SignedInUser::of(&refresh(&app, &tabs[7].refresh).await.expect(200));
    assert_eq!(kept.session(), ana.session());
    assert_rejected(&app, &ana.refresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_is_not_stored_after_another_rotation_or_revocation() {
    let app = app_with_long_grace().await;
    let ana = sign_up(&app).await;
    let sessions = auth::store::sessions::Sessions::new(&app.context.database);
    let id = ana.session().parse().unwrap();
    let read = sessions.get(id).await.unwrap().unwrap();
    let next = auth::domain::session::Session { rotation: 1, ..read };
    assert!(sessions.rotate(next.clone()).await.unwrap());
    assert!(!sessions.rotate(next.clone()).await.unwrap(), "rotated in the meantime");
    sessions.end(id).await.unwrap();
    let later = auth::domain::session::Session { rotation: 2, ..next };
    assert!(!sessions.rotate(later).await.unwrap(), "revoked in the meantime");
    assert_eq!(sessions.get(id).await.unwrap(), None);
    assert_rejected(&app, &ana.refresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_tokens_are_rejected() {
    let app = app_with_long_grace().await;
    let ana = sign_up(&app).await;
    let response = app.request("POST", "/api/users/refresh").send().await.expect(401);
    assert!(clears_cookies(&response));
    for token in ["", "x", &ana.access, &"A".repeat(43), &ana.refresh[..42]] {
        assert_rejected(&app, token).await;
    }
    // The access token is ignored, and the valid refresh token is unaffected.
    let both = [("access", "nonsense"), ("refresh", ana.refresh.as_str())];
    with_cookies(&app, "POST", "/api/users/refresh", &both).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_idle_sessions_end() {
    let app = app_with(&[("SESSION_TTL", "10h")]).await;
    let (idle, busy) = (sign_up(&app).await, sign_up(&app).await);
    app.clock.advance(MINUTE * 60 * 6);
    let busy = SignedInUser::of(&refresh(&app, &busy.refresh).await.expect(200));
    app.clock.advance(MINUTE * 60 * 5);
    assert_rejected(&app, &idle.refresh).await;
    let busy = SignedInUser::of(&refresh(&app, &busy.refresh).await.expect(200));
    assert_eq!(claims(&busy.access)["sub"], busy.view["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn database_outage_signs_nobody_out() {
    let network = Proxy::of_mongodb();
    let app = app_with(&[("MONGODB_URL", &network.url())]).await;
    let ana = sign_up(&app).await;
    app.wait_until_idle().await;
    network.disconnect();
    let response = refresh(&app, &ana.refresh).await.expect(503);
    assert!(!response.header("retry-after").is_empty());
    assert!(set_cookies(&response).is_empty(), "the cookies stay");
    network.restore();
    let back = async || refresh(&app, &ana.refresh).await.status == 200;
    testkit::app::eventually("the database to be back", back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn database_contains_no_tokens() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let next = SignedInUser::of(&refresh(&app, &ana.refresh).await.expect(200));
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
