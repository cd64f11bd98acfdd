//! Expiry of holds: due timers, early timers, and timers of orders that are no longer unpaid.

use std::time::Duration;

use common::events::payment::PaymentStatus;
use common::events::ticket::TicketChange;
use common::timestamp::Timestamp;
use platform::stream::subscription::{Applied, Failure};
use testkit::app::eventually;

use crate::scenarios::TestEvent;
use crate::support::{app, app_with, changes, create_listing, expected_changes, id_of, payment, place, read, reserved};

#[tokio::test(flavor = "multi_thread")]
async fn due_hold_expires_and_frees_the_ticket() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    app.clock.advance(Duration::from_secs(900));
    TestEvent::expiration(&app, &order).publish(&app).await;
    assert_eq!(changes(&app, &order).await, expected_changes(&["created", "cancelled"]));
    let seen = read(&app, &buyer, &order).await;
    assert_eq!((&seen["status"], &seen["cancelReason"]), (&"cancelled".into(), &"expired".into()));
    place(&app, &app.signer.user(), &ticket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn early_timer_is_retried_after_one_second() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    app.clock.advance(Duration::from_secs(600));
    let outcome = TestEvent::expiration(&app, &order).handle(&app).await;
    let Err(Failure::Retry { after: Some(after), .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(after, Duration::from_secs(1));
    assert_eq!(read(&app, &buyer, &order).await, order);
}

#[tokio::test(flavor = "multi_thread")]
async fn early_timer_is_redelivered_until_the_hold_expires() {
    let app = app_with(&[("ORDER_TTL", "1500ms")]).await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    TestEvent::expiration(&app, &order).publish(&app).await;
    eventually("the hold to end", async || read(&app, &buyer, &order).await["status"] == "cancelled").await;
    let seen = read(&app, &buyer, &order).await;
    assert_eq!(seen["cancelReason"], "expired");
    let time = |name: &str| seen[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(time("updatedAt") >= time("expiresAt"), "not before the hold ends");
    assert!(time("updatedAt").since(time("expiresAt")) < Duration::from_secs(5), "and not much later");
    assert_eq!(changes(&app, &order).await, expected_changes(&["created", "cancelled"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn timer_of_an_authorized_order_changes_nothing() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let paid = payment(&order, PaymentStatus::Authorizing);
    TestEvent::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    // Once the order is no longer unpaid, its timer is not retried, whether it is early or due.
    TestEvent::payment(&app, &paid, PaymentStatus::Authorized).handle(&app).await.unwrap();
    assert_eq!(TestEvent::expiration(&app, &order).handle(&app).await.unwrap(), Applied::Stale);
    app.clock.advance(Duration::from_secs(901));
    assert_eq!(TestEvent::expiration(&app, &order).handle(&app).await.unwrap(), Applied::Stale);
    assert_eq!(changes(&app, &order).await, expected_changes(&["created", "confirmed", "authorized"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn expiry_first_reconciles_known_payments() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    TestEvent::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    // The handler of the authorisation crashed before it changed the order.
    let paid = payment(&order, PaymentStatus::Authorizing);
    TestEvent::payment(&app, &paid, PaymentStatus::Authorized).write_replica(&app).await;
    app.clock.advance(Duration::from_secs(901));
    assert_eq!(TestEvent::expiration(&app, &order).handle(&app).await.unwrap(), Applied::Stale);
    assert_eq!(read(&app, &buyer, &order).await["status"], "authorized");
}
