//! Watched shows: the panel on their pages, and what their watchers are told.

use std::time::Duration;

use common::clock::Clock;
use common::events::order::{CancelReason, OrderChange, OrderState, OrderStatus};
use common::events::show::{ShowChange, ShowState, ShowStatus};
use common::events::ticket::{PriceDrop, TicketChange, TicketState, TicketStatus};
use common::id::ShowId;
use common::money::Money;
use http::header;
use mongodb::bson::{Document, doc};
use serde_json::json;
use testkit::app::TestApp;
use testkit::app::users::User;

use crate::fake_services::{app_with_services, post_form};
use crate::support::{
    app, assert_contains, listing, order, page, path, publish_listing, publish_show, publish_user, show_of, show_path,
};

/// Another listing of the same show.
fn another(app: &TestApp, first: &TicketState, amount: i64, currency: &str) -> TicketState {
    let price = Money { amount, currency: currency.parse().unwrap() };
    TicketState { show_id: first.show_id, price, ..listing(app, &first.terms.title, 0) }
}

async fn publish(app: &TestApp, change: TicketChange, version: u64, ticket: &TicketState) {
    app.publish(change, ticket.terms.id, version, ticket.clone()).await;
}

async fn get(app: &TestApp, path: &str, user: &User) -> String {
    app.wait_until_idle().await;
    app.request("GET", path).as_user(user).send().await.expect(200).text()
}

async fn notifications(app: &TestApp, user: &User) -> String {
    get(app, "/notifications", user).await
}

#[tokio::test(flavor = "multi_thread")]
async fn watcher_is_told_of_other_peoples_listings_up_to_the_price() {
    let app = app().await;
    let (ben, eve) = (app.signer.user(), app.signer.user());
    let first = another(&app, &listing(&app, "Carmen", 0), 5_000, "USD");
    publish_listing(&app, &first).await;
    app.wait_until_idle().await;
    let address = show_path(&show_of(&first));
    let watch = format!("/shows/{}/watch", first.show_id);
    assert_contains(&page(&app, &address).await, &["Watch this show</button>", "need to sign in first."]);
    let typed = [("max", "much"), ("currency", "USD")];
    let html = post_form(&app, &watch, Some(&ben), &typed).await.expect(400).text();
    assert_contains(&html, &["<h1>Carmen</h1>", "value=\"much\"", "Enter an amount such as 125.50."]);
    assert!(!html.contains("Stop watching"), "{html}");
    let response = post_form(&app, &watch, Some(&ben), &[("max", "60"), ("currency", "USD")]).await.expect(303);
    assert_eq!(response.header("location"), format!("{address}#watch"));
    assert_contains(&get(&app, &address, &ben).await, &["for $60.00 or less.", "Stop watching"]);
    assert!(!get(&app, &address, &eve).await.contains("Stop watching"));

    app.clock.advance(Duration::from_secs(60));
    let (mut cheap, mut dear) = (another(&app, &first, 5_500, "USD"), another(&app, &first, 6_001, "USD"));
    let euro = another(&app, &first, 5_200, "EUR");
    let mut own = TicketState { seller_id: ben.id, ..another(&app, &first, 5_100, "USD") };
    own.seats[0].name = None;
    for ticket in [&cheap, &dear, &euro, &own] {
        publish(&app, TicketChange::Created, 0, ticket).await;
    }
    let html = notifications(&app, &ben).await;
    let link = format!("href=\"{}\"", path(&cheap));
    assert_contains(&html, &["A ticket for Carmen at $55.00 was listed.", &link, "Notifications, 1 unread"]);
    assert_eq!(html.matches("A ticket for Carmen").count(), 1, "{html}");
    assert!(!notifications(&app, &eve).await.contains("A ticket for Carmen"));

    // What was read stays read when the seller edits the listing.
    let until = cheap.created_at.to_string();
    post_form(&app, "/notifications/read", Some(&ben), &[("until", &until)]).await.expect(303);
    app.clock.advance(Duration::from_secs(60));
    (cheap.description, cheap.updated_at) = (Some("Aisle.".to_owned()), app.clock.now());
    publish(&app, TicketChange::Updated, 1, &cheap).await;
    let html = notifications(&app, &ben).await;
    assert_contains(&html, &["A ticket for Carmen at $55.00 was listed."]);
    assert!(!html.contains(" unread\""), "{html}");

    // A refused order never held the ticket; a cancelled one did.
    app.clock.advance(Duration::from_secs(60));
    for (reason, news) in [(CancelReason::Refused, "was listed"), (CancelReason::Expired, "is available again")] {
        let ended = OrderState { cancel_reason: Some(reason), ..order(&app, &cheap, eve.id, OrderStatus::Cancelled) };
        app.publish(OrderChange::Cancelled, ended.id, 2, ended).await;
        let html = notifications(&app, &ben).await;
        assert_contains(&html, &[&format!("A ticket for Carmen at $55.00 {news}.")]);
        assert_eq!(html.contains(" unread\""), reason == CancelReason::Expired, "{html}");
    }
    cheap.status = TicketStatus::Reserved;
    publish(&app, TicketChange::Reserved, 2, &cheap).await;
    assert!(!notifications(&app, &ben).await.contains("A ticket for Carmen"));

    // The price falls below the highest one.
    app.clock.advance(Duration::from_secs(60));
    let at = app.clock.now();
    dear.price_drop = Some(PriceDrop { from: dear.price.clone(), at });
    (dear.price.amount, dear.updated_at) = (5_900, at);
    publish(&app, TicketChange::Updated, 1, &dear).await;
    let cheaper = "A ticket for Carmen is cheaper now: $59.00, was $60.01.";
    assert_contains(&notifications(&app, &ben).await, &[cheaper]);

    // Any price, in any currency.
    post_form(&app, &watch, Some(&ben), &[("max", ""), ("currency", "USD")]).await.expect(303);
    assert_contains(&get(&app, &address, &ben).await, &["at any price."]);
    assert_contains(&notifications(&app, &ben).await, &[cheaper, "A ticket for Carmen at €52.00 was listed."]);
    // A user who also watches the ticket itself is notified of it once.
    post_form(&app, &format!("{}/watch", path(&euro)), Some(&ben), &[]).await.expect(303);
    assert!(!notifications(&app, &ben).await.contains("€52.00"));
    post_form(&app, &format!("/shows/{}/unwatch", first.show_id), Some(&ben), &[]).await.expect(303);
    assert!(!notifications(&app, &ben).await.contains("A ticket for Carmen"));
    assert!(!get(&app, &address, &ben).await.contains("Stop watching"));
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_follows_a_merged_show_until_it_is_cancelled() {
    let app = app().await;
    let (ben, eve) = (app.signer.user(), app.signer.user());
    let (first, other) = (listing(&app, "Carmen", 0), listing(&app, "Carmen Live", 0));
    let (merged, present) = (show_of(&first), show_of(&other));
    for show in [&merged, &present] {
        publish_show(&app, show).await;
    }
    app.wait_until_idle().await;
    post_form(&app, &format!("/shows/{}/watch", merged.id), Some(&ben), &[]).await.expect(303);
    app.clock.advance(Duration::from_secs(60));
    let ended = ShowState { merged_into: Some(present.id), ..merged.clone() };
    app.publish(ShowChange::Merged, ended.id, 1, ended).await;
    // One of the two has not followed its show yet.
    let (late, added) = (another(&app, &first, 4_000, "EUR"), another(&app, &other, 4_100, "EUR"));
    for ticket in [&late, &added] {
        publish(&app, TicketChange::Created, 0, ticket).await;
    }
    let told = ["A ticket for Carmen at €40.00 was listed.", "A ticket for Carmen Live at €41.00 was listed."];
    assert_contains(&notifications(&app, &ben).await, &told);
    let address = show_path(&present);
    assert_contains(&get(&app, &address, &ben).await, &["at any price.", "Stop watching"]);
    // A change keeps the time since when the show is watched; the watch is then of the present show.
    app.clock.advance(Duration::from_secs(60));
    let typed = [("max", "41"), ("currency", "EUR")];
    let response = post_form(&app, &format!("/shows/{}/watch", merged.id), Some(&ben), &typed).await.expect(303);
    assert_eq!(response.header("location"), format!("{address}#watch"));
    assert_contains(&get(&app, &address, &ben).await, &["for €41.00 or less."]);
    assert_contains(&notifications(&app, &ben).await, &told[1..]);
    let watches = app.context.database.collection::<Document>("show_watches");
    assert_eq!(watches.count_documents(doc! { "user": ben.id.to_string() }).await.unwrap(), 1);
    let cancelled = ShowState { status: ShowStatus::Cancelled, ..present.clone() };
    app.publish(ShowChange::Cancelled, cancelled.id, 1, cancelled).await;
    assert!(!notifications(&app, &ben).await.contains("A ticket for Carmen"));
    let html = get(&app, &address, &ben).await;
    assert!(html.contains("Stop watching") && !html.contains("Save changes"), "{html}");
    post_form(&app, &format!("/shows/{}/unwatch", present.id), Some(&ben), &[]).await.expect(303);
    assert!(!get(&app, &address, &ben).await.contains("id=\"watch\""));

    post_form(&app, &format!("/shows/{}/watch", present.id), Some(&ben), &[]).await.expect(303);
    assert!(!get(&app, &address, &ben).await.contains("id=\"watch\""), "there is nothing to watch");

    // The number of watches is limited.
    let since = app.clock.now().to_string();
    let many = (0..50).map(|n| {
        let (user, show) = (eve.id.to_string(), ShowId::new().to_string());
        doc! { "_id": format!("watch {n}"), "user": user, "show": show, "since": &since }
    });
    watches.insert_many(many.collect::<Vec<_>>()).await.unwrap();
    let more = listing(&app, "Tosca", 0);
    publish_listing(&app, &more).await;
    app.wait_until_idle().await;
    let html = post_form(&app, &format!("/shows/{}/watch", more.show_id), Some(&eve), &typed).await.expect(409).text();
    assert_contains(&html, &["You are already watching 50 shows. Stop watching one of them first.", "value=\"41\""]);
    // The watch of a show that is over makes way.
    let (user, show) = (eve.id.to_string(), present.id.to_string());
    watches.delete_one(doc! { "_id": "watch 0" }).await.unwrap();
    let over = doc! { "_id": format!("{user}:{show}"), "user": &user, "show": &show, "since": &since };
    watches.insert_one(over).await.unwrap();
    post_form(&app, &format!("/shows/{}/watch", more.show_id), Some(&eve), &typed).await.expect(303);
    assert_eq!(watches.count_documents(doc! { "show": &show }).await.unwrap(), 0);
    assert_eq!(watches.count_documents(doc! { "user": &user }).await.unwrap(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn guests_watch_is_stored_after_sign_in() {
    let (app, services) = app_with_services().await;
    let (ben, ticket) = (app.signer.user(), listing(&app, "Carmen", 0));
    publish_listing(&app, &ticket).await;
    publish_user(&app, ben.id, "Ben").await;
    app.wait_until_idle().await;
    let watch = format!("/shows/{}/watch", ticket.show_id);
    let response = post_form(&app, &watch, None, &[("max", "€60"), ("currency", "EUR")]).await.expect(303);
    let html = app.request("GET", response.header("location")).send().await.expect(200).text();
    let next = html.split("name=\"next\" value=\"").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    let account =
        json!({ "id": ben.id, "email": "b@example.com", "displayName": "Ben", "createdAt": ticket.created_at });
    let access = format!("access={}; Path=/", ben.token);
    services.respond_with("POST /api/users/signin", 200, account, &[(header::SET_COOKIE, access.as_str())]);
    let typed = [("email", "b@example.com"), ("password", "long enough"), ("next", &*next)];
    let response = post_form(&app, "/signin", None, &typed).await.expect(303);
    let address = show_path(&show_of(&ticket));
    assert_eq!(response.header("location"), format!("{address}#watch"));
    assert!(response.header("set-cookie").starts_with("access="));
    assert_contains(&get(&app, &address, &ben).await, &["for €60.00 or less."]);
    // Following such a link changes nothing.
    let response = app.request("GET", &format!("{watch}?max=1&currency=EUR")).as_user(&ben).send().await.expect(303);
    assert_eq!(response.header("location"), format!("/shows/{}", ticket.show_id));
    assert_contains(&get(&app, &address, &ben).await, &["for €60.00 or less."]);
    let unknown = format!("/shows/{}/watch", ticket.terms.id);
    app.clock.advance(Duration::from_secs(60));
    post_form(&app, &unknown, Some(&ben), &[]).await.expect(404);
}
