//! Events in whatever order they may come in.

use std::time::Duration;

use common::events::payment::{PaymentChange, PaymentStatus};
use common::events::ticket::{TicketChange, TicketState, TicketStatus};
use common::id::PaymentId;

use crate::support::{app, changes, id_of, known, listing, payment, place, post, read, reserved, usd, way};
use crate::told::Told;

/// Every order of the numbers below `n`.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let insert = |shorter: Vec<usize>| {
        (0..n).map(move |place| {
            let mut longer = shorter.clone();
            longer.insert(place, n - 1);
            longer
        })
    };
    permutations(n - 1).into_iter().flat_map(insert).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_ends_the_same_in_any_order_of_its_events() {
    let app = app().await;
    assert_eq!(permutations(4).len(), 24);
    for permutation in permutations(4) {
        let (buyer, ticket) = (app.signer.user(), known(&app).await);
        let order = place(&app, &buyer, &ticket).await;
        let paid = payment(&order, PaymentStatus::Authorizing);
        let told = [
            Told::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))),
            Told::payment(&app, &paid, PaymentStatus::Authorizing),
            Told::payment(&app, &paid, PaymentStatus::Authorized),
            Told::payment(&app, &paid, PaymentStatus::Captured),
        ];
        for n in &permutation {
            told[*n].handle(&app).await.unwrap();
        }
        let expected = way(&["created", "confirmed", "authorized", "completed"]);
        assert_eq!(changes(&app, &order).await, expected, "{permutation:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_before_the_confirmation_waits_for_it() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    let paid = payment(&order, PaymentStatus::Authorizing);
    Told::payment(&app, &paid, PaymentStatus::Authorized).publish(&app).await;
    app.wait_until_idle().await;
    assert_eq!(read(&app, &buyer, &order).await["status"], "created");
    Told::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).publish(&app).await;
    assert_eq!(changes(&app, &order).await, way(&["created", "confirmed", "authorized"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_and_the_end_of_the_hold_decide_for_one() {
    let app = app().await;
    for permutation in permutations(3) {
        let (buyer, ticket) = (app.signer.user(), known(&app).await);
        let order = place(&app, &buyer, &ticket).await;
        app.clock.advance(Duration::from_secs(901));
        let paid = payment(&order, PaymentStatus::Authorizing);
        let told = [
            Told::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))),
            Told::payment(&app, &paid, PaymentStatus::Authorized),
            Told::expiration(&app, &order),
        ];
        for n in &permutation {
            told[*n].handle(&app).await.unwrap();
        }
        let place = |event| permutation.iter().position(|n| *n == event).unwrap();
        let in_time = place(2) > place(0) && place(2) > place(1);
        let seen = read(&app, &buyer, &order).await;
        if in_time {
            assert_eq!(seen["status"], "authorized", "{permutation:?}");
        } else {
            assert_eq!((&seen["status"], &seen["cancelReason"]), (&"cancelled".into(), &"expired".into()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_after_the_end_of_the_hold_changes_nothing() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    Told::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    app.clock.advance(Duration::from_secs(901));
    Told::expiration(&app, &order).handle(&app).await.unwrap();
    let expired = read(&app, &buyer, &order).await;
    let paid = payment(&order, PaymentStatus::Authorizing);
    for status in [PaymentStatus::Authorized, PaymentStatus::Voided] {
        Told::payment(&app, &paid, status).publish(&app).await;
    }
    assert_eq!(changes(&app, &order).await, way(&["created", "confirmed", "cancelled"]));
    assert_eq!(read(&app, &buyer, &order).await, expired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_does_not_fit_wins_nothing_and_a_second_one_neither() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), known(&app).await);
    let order = place(&app, &buyer, &ticket).await;
    Told::ticket(&app, TicketChange::Reserved, 1, reserved(&ticket, id_of(&order))).handle(&app).await.unwrap();
    let fits = payment(&order, PaymentStatus::Authorizing);
    let cheap = common::events::payment::PaymentState { amount: usd(1), id: PaymentId::new(), ..fits.clone() };
    Told::payment(&app, &cheap, PaymentStatus::Authorized).handle(&app).await.unwrap();
    assert_eq!(read(&app, &buyer, &order).await["status"], "awaitingPayment");

    Told::payment(&app, &fits, PaymentStatus::Authorized).handle(&app).await.unwrap();
    let second = common::events::payment::PaymentState { id: PaymentId::new(), ..fits.clone() };
    for status in [PaymentStatus::Authorized, PaymentStatus::Failed] {
        Told::payment(&app, &second, status).handle(&app).await.unwrap();
    }
    assert_eq!(read(&app, &buyer, &order).await["status"], "authorized");
    Told::payment(&app, &fits, PaymentStatus::Captured).handle(&app).await.unwrap();
    assert_eq!(read(&app, &buyer, &order).await["status"], "completed");
    app.wait_until_idle().await;
    let named = app.events("orders").await.pop().unwrap().data["paymentId"].clone();
    assert_eq!(named, serde_json::json!(fits.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_state_of_the_listing_does_not_hide_the_present_one() {
    let app = app().await;
    let (buyer, ticket) = (app.signer.user(), listing(&app));
    // Withdrawn is told before created.
    let withdrawn = TicketState { status: TicketStatus::Withdrawn, ..ticket.clone() };
    app.publish(TicketChange::Withdrawn, ticket.terms.id, 1, withdrawn).await;
    app.publish(TicketChange::Created, ticket.terms.id, 0, ticket.clone()).await;
    app.wait_until_idle().await;
    assert_eq!(post(&app, &buyer, &ticket).await.expect(409).problem(), "ticket-withdrawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_of_one_order_moves_the_other_order_of_its_ticket() {
    let app = app().await;
    let (first, second, ticket) = (app.signer.user(), app.signer.user(), known(&app).await);
    let old = place(&app, &first, &ticket).await;
    app.request("DELETE", &crate::support::path(&old)).by(&first).send().await.expect(200);
    let new = place(&app, &second, &ticket).await;
    // tickets saw both at once: it refuses the old one and holds the listing for the new one.
    let mut state = crate::support::refusing(&ticket, id_of(&old));
    (state.status, state.order_id) = (TicketStatus::Reserved, Some(id_of(&new)));
    Told::ticket(&app, TicketChange::Reserved, 2, state).handle(&app).await.unwrap();
    assert_eq!(read(&app, &second, &new).await["status"], "awaitingPayment");
    assert_eq!(changes(&app, &old).await, way(&["created", "cancelled"]));
    // A payment whose order is not known here is kept and changes nothing.
    let mut stranger = payment(&new, PaymentStatus::Authorized);
    stranger.order_id = common::id::OrderId::new();
    let event = app.event(PaymentChange::Authorized, stranger.id, 1, stranger);
    app.handle(&event).await.unwrap();
    assert_eq!(read(&app, &second, &new).await["status"], "awaitingPayment");
}
