//! The end of a hold: due, early, of an order that is over.

use std::time::Duration;

use common::events::payment::PaymentStatus;
use common::events::ticket::TicketChange;
use common::timestamp::Timestamp;
use platform::stream::subscription::{Applied, Failure};
use testkit::app::eventually;

use crate::support::{app, app_with, changes, id_of, known, payment, place, read, reserved, way};
use crate::told::Told;

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_is_due_ends_and_the_ticket_can_be_had() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    app.clock.advance(Duration::from_secs(900));
    Told::expiration(&app, &order).publish(&app).await;
    assert_eq!(changes(&app, &order).await, way(&["created", "cancelled"]));
    let seen = read(&app, &buyer, &order).await;
    assert_eq!((&seen["status"], &seen["cancelReason"]), (&"cancelled".into(), &"expired".into()));
    place(&app, &app.signer.user(), &ticket).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_timer_is_put_off_for_a_second_so_that_another_clock_is_asked_soon() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    app.clock.advance(Duration::from_secs(600));
    let outcome = Told::expiration(&app, &order).handle(&app).await;
    let Err(Failure::Retry { after: Some(after), .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(after, Duration::from_secs(1));
    assert_eq!(read(&app, &buyer, &order).await, order);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_timer_comes_again_and_then_ends_the_hold() {
    let app = app_with(&[("ORDER_TTL", "1500ms")]).await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    Told::expiration(&app, &order).publish(&app).await;
    eventually("the hold to end", async || read(&app, &buyer, &order).await["status"] == "cancelled").await;
    let seen = read(&app, &buyer, &order).await;
    assert_eq!(seen["cancelReason"], "expired");
    let time = |name: &str| seen[name].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(time("updatedAt") >= time("expiresAt"), "never before its time");
    assert!(time("updatedAt").since(time("expiresAt")) < Duration::from_secs(5), "and not much later");
    assert_eq!(changes(&app, &order).await, way(&["created", "cancelled"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_of_an_order_that_is_won_changes_nothing() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let paid = payment(&order, PaymentStatus::Authorizing);
    Told::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    // Early or due: an order that is over is no reason to wait.
    Told::payment(&app, &paid, PaymentStatus::Authorized).handle(&app).await.unwrap();
    assert_eq!(Told::expiration(&app, &order).handle(&app).await.unwrap(), Applied::Stale);
    app.clock.advance(Duration::from_secs(901));
    assert_eq!(Told::expiration(&app, &order).handle(&app).await.unwrap(), Applied::Stale);
    assert_eq!(changes(&app, &order).await, way(&["created", "confirmed", "authorized"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_timer_first_lets_what_is_known_count() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    Told::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    // The handler of the authorisation died before it moved the order.
    let paid = payment(&order, PaymentStatus::Authorizing);
    Told::payment(&app, &paid, PaymentStatus::Authorized).write_replica(&app).await;
    app.clock.advance(Duration::from_secs(901));
    assert_eq!(Told::expiration(&app, &order).handle(&app).await.unwrap(), Applied::Stale);
    assert_eq!(read(&app, &buyer, &order).await["status"], "authorized");
}
