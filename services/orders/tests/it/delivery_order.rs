//! Events that are delivered in any order.

use std::time::Duration;

use common::events::payment::{PaymentChange, PaymentStatus};
use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use common::id::PaymentId;

use crate::scenarios::TestEvent;
use crate::support::{
    app, changes, create_listing, expected_changes, id_of, listing, payment, place, post, read, reserved, usd,
};

/// All permutations of the numbers below `n`.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let insert = |shorter: Vec<usize>| {
        (0..n).map(move |position| {
            let mut longer = shorter.clone();
            longer.insert(position, n - 1);
            longer
        })
    };
    permutations(n - 1).into_iter().flat_map(insert).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sale_completes_in_any_order_of_events() {
    let app = app().await;
    assert_eq!(permutations(4).len(), 24);
    for permutation in permutations(4) {
        let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
        let order = place(&app, &buyer, &ticket).await;
        let paid = payment(&order, PaymentStatus::Authorizing);
        let events = [
            TestEvent::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))),
            TestEvent::payment(&app, &paid, PaymentStatus::Authorizing),
            TestEvent::payment(&app, &paid, PaymentStatus::Authorized),
            TestEvent::payment(&app, &paid, PaymentStatus::Captured),
        ];
        for n in &permutation {
            events[*n].handle(&app).await.unwrap();
        }
        let expected = expected_changes(&["created", "confirmed", "authorized", "completed"]);
        assert_eq!(changes(&app, &order).await, expected, "{permutation:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authorisation_before_the_confirmation_waits_for_it() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let paid = payment(&order, PaymentStatus::Authorizing);
    TestEvent::payment(&app, &paid, PaymentStatus::Authorized).publish(&app).await;
    app.wait_until_idle().await;
    assert_eq!(read(&app, &buyer, &order).await["status"], "created");
    TestEvent::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).publish(&app).await;
    assert_eq!(changes(&app, &order).await, expected_changes(&["created", "confirmed", "authorized"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn either_authorisation_or_expiry_wins() {
    let app = app().await;
    for permutation in permutations(3) {
        let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
        let order = place(&app, &buyer, &ticket).await;
        // The hold of 900 s has ended, but only the expiration event expires the order.
        app.clock.advance(Duration::from_secs(901));
        let paid = payment(&order, PaymentStatus::Authorizing);
        let events = [
            TestEvent::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))),
            TestEvent::payment(&app, &paid, PaymentStatus::Authorized),
            TestEvent::expiration(&app, &order),
        ];
        for n in &permutation {
            events[*n].handle(&app).await.unwrap();
        }
        let position = |event| permutation.iter().position(|n| *n == event).unwrap();
        let in_time = position(2) > position(0) && position(2) > position(1);
        let seen = read(&app, &buyer, &order).await;
        if in_time {
            assert_eq!(seen["status"], "authorized", "{permutation:?}");
        } else {
            assert_eq!((&seen["status"], &seen["cancelReason"]), (&"cancelled".into(), &"expired".into()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authorisation_after_expiry_changes_nothing() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    TestEvent::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    app.clock.advance(Duration::from_secs(901));
    TestEvent::expiration(&app, &order).handle(&app).await.unwrap();
    let expired = read(&app, &buyer, &order).await;
    let paid = payment(&order, PaymentStatus::Authorizing);
    for status in [PaymentStatus::Authorized, PaymentStatus::Voided] {
        TestEvent::payment(&app, &paid, status).publish(&app).await;
    }
    assert_eq!(changes(&app, &order).await, expected_changes(&["created", "confirmed", "cancelled"]));
    assert_eq!(read(&app, &buyer, &order).await, expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn mismatched_and_second_payments_are_ignored() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), create_listing(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    TestEvent::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    let fits = payment(&order, PaymentStatus::Authorizing);
    let cheap = common::events::payment::PaymentState { amount: usd(1), id: PaymentId::new(), ..fits.clone() };
    TestEvent::payment(&app, &cheap, PaymentStatus::Authorized).handle(&app).await.unwrap();
    assert_eq!(read(&app, &buyer, &order).await["status"], "awaitingPayment");

    TestEvent::payment(&app, &fits, PaymentStatus::Authorized).handle(&app).await.unwrap();
    let second = common::events::payment::PaymentState { id: PaymentId::new(), ..fits.clone() };
    for status in [PaymentStatus::Authorized, PaymentStatus::Failed] {
        TestEvent::payment(&app, &second, status).handle(&app).await.unwrap();
    }
    assert_eq!(read(&app, &buyer, &order).await["status"], "authorized");
    TestEvent::payment(&app, &fits, PaymentStatus::Captured).handle(&app).await.unwrap();
    assert_eq!(read(&app, &buyer, &order).await["status"], "completed");
    app.wait_until_idle().await;
    let named = app.events("orders").await.pop().unwrap().data["paymentId"].clone();
    assert_eq!(named, serde_json::json!(fits.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_listing_does_not_replace_the_present_one() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), listing(&app));
    // `withdrawn` arrives before `created`.
    let withdrawn = TicketState { status: TicketStatus::Withdrawn, ..ticket.clone() };
    app.publish(TicketChange::Withdrawn, ticket.terms.id, 1, withdrawn).await;
    app.publish(TicketChange::Created, ticket.terms.id, 0, ticket.clone()).await;
    app.wait_until_idle().await;
    assert_eq!(post(&app, &buyer, &ticket).await.expect(409).problem(), "ticket-withdrawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn listing_event_confirms_the_order_that_holds_the_ticket() {
    let app = app().await;
    let (first, second, ticket) = (app.signer.user(), app.signer.user(), create_listing(&app).await);
    let old = place(&app, &first, &ticket).await;
    app.request("DELETE", &crate::support::path(&old)).as_user(&first).send().await.expect(200);
    let new = place(&app, &second, &ticket).await;
    // `tickets` received both orders: it refuses the old one and reserves the listing for the new one.
    let state = reserved(&crate::support::with_refusal(&ticket, id_of(&old)), id_of(&new));
    TestEvent::ticket(&app, TicketChange::Reserved, 2, state).handle(&app).await.unwrap();
    assert_eq!(read(&app, &second, &new).await["status"], "awaitingPayment");
    assert_eq!(changes(&app, &old).await, expected_changes(&["created", "cancelled"]));
    // A payment of an unknown order is stored in the replica and changes nothing.
    let mut stranger = payment(&new, PaymentStatus::Authorized);
    stranger.order_id = common::id::OrderId::new();
    let event = app.event(PaymentChange::Authorized, stranger.id, 1, stranger);
    app.handle(&event).await.unwrap();
    assert_eq!(read(&app, &second, &new).await["status"], "awaitingPayment");
}
