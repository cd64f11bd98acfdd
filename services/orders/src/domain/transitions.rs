//! Every command in every state, and who may place an order.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use common::aggregate::Aggregate;
use common::error::Error;
use common::events::order::{CancelReason, OrderChange, OrderStatus};
use common::events::ticket::{TicketState, TicketStatus};
use common::id::{OrderId, PaymentId, UserId};
use common::timestamp::Timestamp;

use super::order::{Changed, Order, OrderError, Status};
use super::samples::{HOLD, order, refusal, start, ticket};

type Command = (&'static str, fn(Order, PaymentId, Timestamp) -> Changed);

const COMMANDS: [Command; 9] = [
    ("confirm", |order, _, now| order.confirm(now)),
    ("refuse", |order, _, now| order.refuse(refusal(), now)),
    ("authorize", |order, payment, now| order.authorize(payment, now)),
    ("complete", |order, payment, now| order.complete(payment, now)),
    ("complete, other payment", |order, _, now| order.complete(PaymentId::new(), now)),
    ("fail", |order, payment, now| order.fail_payment(payment, now)),
    ("fail, other payment", |order, _, now| order.fail_payment(PaymentId::new(), now)),
    ("cancel", |order, _, now| order.cancel(now)),
    ("expire", |order, _, now| order.expire(now)),
];

fn cancelled(reason: CancelReason) -> Status {
    Status::Cancelled { reason, refusal: (reason == CancelReason::Refused).then(refusal) }
}

#[test]
fn every_command_in_every_state() {
    let payment_id = PaymentId::new();
    let due = start().plus(HOLD);
    let states = [
        Status::Created,
        Status::AwaitingPayment,
        Status::Authorized { payment_id },
        Status::Completed { payment_id },
        cancelled(CancelReason::Buyer),
    ];
    let confirmed = || Ok((Status::AwaitingPayment, OrderChange::Confirmed));
    let won = || Ok((Status::Authorized { payment_id }, OrderChange::Authorized));
    let paid = || Ok((Status::Completed { payment_id }, OrderChange::Completed));
    let closed = |reason| Ok((cancelled(reason), OrderChange::Cancelled));
    let created = || Err(OrderError::Created);
    let awaiting = || Err(OrderError::AwaitingPayment);
    let is_won = || Err(OrderError::Authorized);
    let is_paid = || Err(OrderError::Completed);
    let is_over = || Err(OrderError::Cancelled);
    let other = || Err(OrderError::OtherPayment);
    let (buyer, expired) = (|| closed(CancelReason::Buyer), || closed(CancelReason::Expired));
    // A line per command, in the order above; a column per state: created, awaitingPayment,
    // authorized, completed, cancelled.
    #[rustfmt::skip]
    let table = [
        [confirmed(),                   awaiting(), is_won(),                            is_paid(), is_over()],
        [closed(CancelReason::Refused), awaiting(), is_won(),                            is_paid(), is_over()],
        [created(),                     won(),      is_won(),                            is_paid(), is_over()],
        [created(),                     awaiting(), paid(),                              is_paid(), is_over()],
        [created(),                     awaiting(), other(),                             is_paid(), is_over()],
        [created(),                     awaiting(), closed(CancelReason::PaymentFailed), is_paid(), is_over()],
        [created(),                     awaiting(), other(),                             is_paid(), is_over()],
        [buyer(),                       buyer(),    is_won(),                            is_paid(), is_over()],
        [expired(),                     expired(),  is_won(),                            is_paid(), is_over()],
    ];
    for ((name, command), line) in COMMANDS.iter().zip(table) {
        for (state, expected) in states.iter().zip(line) {
            let before = Order { status: state.clone(), ..order(&ticket()) };
            let expected =
                expected.map(|(status, change)| (Order { status, updated_at: due, ..before.clone() }, change));
            assert_eq!(command(before, payment_id, due), expected, "{name} when {state:?}");
        }
    }
}

#[test]
fn a_hold_does_not_end_before_its_time() {
    for status in [Status::Created, Status::AwaitingPayment] {
        let order = Order { status, ..order(&ticket()) };
        let early = order.expires_at.minus(Duration::from_millis(1));
        assert_eq!(order.clone().expire(early), Err(OrderError::NotDue(Duration::from_millis(1))));
        assert!(order.clone().expire(order.expires_at).is_ok());
    }
    // What is over is not put off: nobody would ever answer that timer otherwise.
    let over = Order { status: cancelled(CancelReason::Buyer), ..order(&ticket()) };
    assert_eq!(over.expire(start()), Err(OrderError::Cancelled));
}

#[test]
fn who_may_place_an_order() {
    let place = |buyer, ticket: &TicketState, now| Order::place(OrderId::new(), buyer, ticket, HOLD, now);
    let (ticket, buyer) = (ticket(), UserId::new());
    let (order, change) = place(buyer, &ticket, start()).unwrap();
    assert_eq!(change, OrderChange::Created);
    assert_eq!((&order.ticket, &order.price, order.buyer_id), (&ticket.terms, &ticket.price, buyer));
    assert_eq!((order.expires_at, order.created_at), (start().plus(HOLD), start()));

    assert_eq!(place(ticket.seller_id, &ticket, start()), Err(OrderError::OwnTicket));
    let begins = ticket.terms.starts_at;
    assert_eq!(place(buyer, &ticket, begins), Err(OrderError::TicketBegun));
    assert!(place(buyer, &ticket, begins.minus(Duration::from_millis(1))).is_ok());
    for (status, expected) in [
        (TicketStatus::Withdrawn, Err(OrderError::TicketWithdrawn)),
        // Who holds it is decided by the orders alone.
        (TicketStatus::Reserved, Ok(())),
        (TicketStatus::Sold, Ok(())),
    ] {
        let ticket = TicketState { status, ..ticket.clone() };
        assert_eq!(place(buyer, &ticket, start()).map(|_| ()), expected, "{status:?}");
    }
}

#[test]
fn others_are_told_what_belongs_to_the_state() {
    let payment_id = PaymentId::new();
    let told = |status| {
        let order = Order { status, ..order(&ticket()) };
        let state = order.payload();
        // Queries name the stored status by the announced one.
        assert_eq!(serde_json::to_value(&order.status).unwrap()["name"], state.status.as_ref());
        (state.status, state.payment_id, state.cancel_reason, state.refusal)
    };
    assert_eq!(told(Status::Created), (OrderStatus::Created, None, None, None));
    assert_eq!(told(Status::AwaitingPayment), (OrderStatus::AwaitingPayment, None, None, None));
    assert_eq!(told(Status::Authorized { payment_id }), (OrderStatus::Authorized, Some(payment_id), None, None));
    assert_eq!(told(Status::Completed { payment_id }), (OrderStatus::Completed, Some(payment_id), None, None));
    let reason = CancelReason::Refused;
    assert_eq!(told(cancelled(reason)), (OrderStatus::Cancelled, None, Some(reason), Some(refusal())));
}

#[test]
fn only_buying_from_oneself_is_forbidden_and_all_else_is_a_conflict() {
    assert_eq!(Error::from(OrderError::OwnTicket).status(), 403);
    let conflicts = [
        OrderError::TicketWithdrawn,
        OrderError::TicketBegun,
        OrderError::TicketTaken,
        OrderError::AlreadyHeld,
        OrderError::Created,
        OrderError::AwaitingPayment,
        OrderError::Authorized,
        OrderError::Completed,
        OrderError::Cancelled,
        OrderError::NotCompleted,
        OrderError::NotDue(HOLD),
        OrderError::OtherPayment,
    ];
    let kinds: std::collections::BTreeSet<_> = conflicts.map(|error| Error::from(error).problem().kind).into();
    assert_eq!(kinds.len(), conflicts.len(), "each has a code of its own");
    assert!(conflicts.iter().all(|error| Error::from(*error).status() == 409));
}
