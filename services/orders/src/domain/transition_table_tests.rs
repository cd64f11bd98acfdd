//! Tests of the order aggregate: every command in every status, and the conditions of placing an order.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use common::aggregate::Aggregate;
use common::error::Error;
use common::events::order::{CancelReason, OrderChange, OrderState, OrderStatus};
use common::events::ticket::{TicketState, TicketStatus};
use common::id::{OrderId, PaymentId, ShowId, TicketId, UserId};
use common::timestamp::Timestamp;

use super::fixtures::{HOLD, order, order_of, refusal, start, ticket, ticket_of, usd};
use super::order::{Order, OrderError, Status, Transition};

type Command = (&'static str, fn(Order, PaymentId, Timestamp) -> Transition);

const COMMANDS: [Command; 10] = [
    ("confirm", |order, _, now| order.confirm(now)),
    ("refuse", |order, _, now| order.refuse(refusal(), now)),
    ("authorize", |order, payment, now| order.authorize(payment, now)),
    ("complete", |order, payment, now| order.complete(payment, now)),
    ("complete, other payment", |order, _, now| order.complete(PaymentId::new(), now)),
    ("fail", |order, payment, now| order.fail_payment(payment, now)),
    ("fail, other payment", |order, _, now| order.fail_payment(PaymentId::new(), now)),
    ("cancel", |order, _, now| order.cancel(now)),
    ("expire", |order, _, now| order.expire(now)),
    ("cancel for the show", |order, _, now| order.cancel_for_show(now)),
];

fn cancelled(reason: CancelReason) -> Status {
    Status::Cancelled { reason, refusal: (reason == CancelReason::Refused).then(refusal) }
}

#[test]
fn every_command_in_every_status() {
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
    let authorized = || Ok((Status::Authorized { payment_id }, OrderChange::Authorized));
    let completed = || Ok((Status::Completed { payment_id }, OrderChange::Completed));
    let closed = |reason| Ok((cancelled(reason), OrderChange::Cancelled));
    let not_in = |status| Err(OrderError::InvalidStatus(status));
    let is_created = || not_in(OrderStatus::Created);
    let is_awaiting = || not_in(OrderStatus::AwaitingPayment);
    let is_authorized = || not_in(OrderStatus::Authorized);
    let is_completed = || not_in(OrderStatus::Completed);
    let is_cancelled = || not_in(OrderStatus::Cancelled);
    let other = || Err(OrderError::OtherPayment);
    let (buyer, expired) = (|| closed(CancelReason::Buyer), || closed(CancelReason::Expired));
    let no_show = || closed(CancelReason::ShowCancelled);
    let (refused, failed) = (|| closed(CancelReason::Refused), || closed(CancelReason::PaymentFailed));
    // One line per command, in the order above; one column per status: created, awaitingPayment, authorized,
    // completed, cancelled.
    #[rustfmt::skip]
    let table = [
        [confirmed(),  is_awaiting(), is_authorized(), is_completed(), is_cancelled()],
        [refused(),    is_awaiting(), is_authorized(), is_completed(), is_cancelled()],
        [is_created(), authorized(),  is_authorized(), is_completed(), is_cancelled()],
        [is_created(), is_awaiting(), completed(),     is_completed(), is_cancelled()],
        [is_created(), is_awaiting(), other(),         is_completed(), is_cancelled()],
        [is_created(), is_awaiting(), failed(),        is_completed(), is_cancelled()],
        [is_created(), is_awaiting(), other(),         is_completed(), is_cancelled()],
        [buyer(),      buyer(),       is_authorized(), is_completed(), is_cancelled()],
        [expired(),    expired(),     is_authorized(), is_completed(), is_cancelled()],
        [no_show(),    no_show(),     is_authorized(), is_completed(), is_cancelled()],
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
fn hold_does_not_expire_early() {
    for status in [Status::Created, Status::AwaitingPayment] {
        let order = Order { status, ..order(&ticket()) };
        let early = order.expires_at.minus(Duration::from_millis(1));
        assert_eq!(order.clone().expire(early), Err(OrderError::NotDue(Duration::from_millis(1))));
        assert!(order.clone().expire(order.expires_at).is_ok());
    }
    // A cancelled order must not return `NotDue`, or its timer event would be redelivered.
    let order = Order { status: cancelled(CancelReason::Buyer), ..order(&ticket()) };
    assert_eq!(order.expire(start()), Err(OrderError::InvalidStatus(OrderStatus::Cancelled)));
}

#[test]
fn conditions_of_placing_an_order() {
    let place = |buyer, ticket: &TicketState, now| Order::place(OrderId::new(), buyer, ticket, vec![0], HOLD, now);
    let (ticket, buyer) = (ticket(), UserId::new());
    let (order, change) = place(buyer, &ticket, start()).unwrap();
    assert_eq!(change, OrderChange::Created);
    assert_eq!((&order.ticket, &order.price, order.buyer_id), (&ticket.terms, &ticket.price, buyer));
    assert_eq!(order.show_id, ticket.show_id);
    assert_eq!(order.slots, [0]);
    assert_eq!(order.seats, [Some("14".to_owned())]);
    let pair = order_of(&ticket_of(&[2, 2]), &[2, 3]);
    assert_eq!(pair.seats, [Some("16".to_owned()), Some("17".to_owned())]);
    assert_eq!((pair.unit_price, pair.price), (usd(12_550), usd(25_100)), "the price is that of all its seats");
    assert_eq!((order.expires_at, order.created_at), (start().plus(HOLD), start()));

    assert_eq!(place(ticket.seller_id, &ticket, start()), Err(OrderError::OwnTicket));
    let starts_at = ticket.terms.starts_at;
    assert_eq!(place(buyer, &ticket, starts_at), Err(OrderError::EventBegun));
    assert!(place(buyer, &ticket, starts_at.minus(Duration::from_millis(1))).is_ok());
    for (status, expected) in [
        (TicketStatus::Withdrawn, Err(OrderError::TicketWithdrawn)),
        // Only the orders decide who holds a seat.
        (TicketStatus::Reserved, Ok(())),
        (TicketStatus::Sold, Ok(())),
    ] {
        let ticket = TicketState { status, ..ticket.clone() };
        assert_eq!(place(buyer, &ticket, start()).map(|_| ()), expected, "{status:?}");
    }
    let cancelled = TicketState { show_cancelled: true, ..ticket };
    assert_eq!(place(buyer, &cancelled, start()), Err(OrderError::ShowCancelled));
}

#[test]
fn payload_contains_the_data_of_the_status() {
    let payment_id = PaymentId::new();
    let payload_of = |status| {
        let order = Order { status, ..order(&ticket()) };
        let state = order.payload();
        // Queries use the payload's status names for stored statuses.
        assert_eq!(serde_json::to_value(&order.status).unwrap()["name"], state.status.as_ref());
        (state.status, state.payment_id, state.cancel_reason, state.refusal)
    };
    assert_eq!(payload_of(Status::Created), (OrderStatus::Created, None, None, None));
    assert_eq!(payload_of(Status::AwaitingPayment), (OrderStatus::AwaitingPayment, None, None, None));
    assert_eq!(payload_of(Status::Authorized { payment_id }), (OrderStatus::Authorized, Some(payment_id), None, None));
    assert_eq!(payload_of(Status::Completed { payment_id }), (OrderStatus::Completed, Some(payment_id), None, None));
    let reason = CancelReason::Refused;
    assert_eq!(payload_of(cancelled(reason)), (OrderStatus::Cancelled, None, Some(reason), Some(refusal())));
}

#[test]
fn own_ticket_is_forbidden_and_other_errors_are_conflicts() {
    assert_eq!(Error::from(OrderError::OwnTicket).status(), 403);
    let conflicts = [
        OrderError::TicketWithdrawn,
        OrderError::ShowCancelled,
        OrderError::EventBegun,
        OrderError::TicketTaken,
        OrderError::AlreadyHeld,
        OrderError::SeatsTaken,
        OrderError::PriceOutOfRange,
        OrderError::InvalidStatus(OrderStatus::Created),
        OrderError::InvalidStatus(OrderStatus::AwaitingPayment),
        OrderError::InvalidStatus(OrderStatus::Authorized),
        OrderError::InvalidStatus(OrderStatus::Completed),
        OrderError::InvalidStatus(OrderStatus::Cancelled),
        OrderError::NotCompleted,
        OrderError::SeveralPasses,
        OrderError::NotDue(HOLD),
        OrderError::OtherPayment,
    ];
    let kinds: std::collections::BTreeSet<_> = conflicts.map(|error| Error::from(error).problem().kind).into();
    assert_eq!(kinds.len(), conflicts.len(), "each error has its own code");
    assert!(conflicts.iter().all(|error| Error::from(*error).status() == 409));
}

#[test]
fn payload_contains_the_whole_order() {
    let payment_id = PaymentId::new();
    let base = order_of(&ticket_of(&[2, 1]), &[0, 1]);
    for (status, change) in [
        (Status::Created, OrderChange::Created),
        (Status::AwaitingPayment, OrderChange::Confirmed),
        (Status::Authorized { payment_id }, OrderChange::Authorized),
        (Status::Completed { payment_id }, OrderChange::Completed),
        (cancelled(CancelReason::Expired), OrderChange::Cancelled),
        (cancelled(CancelReason::Refused), OrderChange::Cancelled),
    ] {
        let order = Order { status, updated_at: start().plus(HOLD), ..base.clone() };
        assert_eq!(order.present_change(), change);
        assert_eq!(Order::from_payload(order.payload()), Some(order));
    }
    let incomplete = OrderState { status: OrderStatus::Completed, payment_id: None, ..base.payload() };
    assert_eq!(Order::from_payload(incomplete), None);
    // Without slots an order would collide with no other.
    assert_eq!(Order::from_payload(OrderState { slots: Vec::new(), ..base.payload() }), None);
}

#[test]
fn state_from_replicas_must_be_of_the_same_purchase_and_not_older() {
    let base = order(&ticket());
    let completed = Order { status: Status::Completed { payment_id: PaymentId::new() }, ..base.clone() };
    assert!(!base.contradicts(&completed) && !base.is_changed_since(&completed));
    let edits: [fn(&mut Order); 8] = [
        |order| order.buyer_id = UserId::new(),
        |order| order.price.amount += 1,
        |order| order.unit_price.amount += 1,
        |order| order.slots = vec![1],
        |order| order.seats = vec![None],
        |order| order.show_id = ShowId::new(),
        |order| order.ticket.id = TicketId::new(),
        |order| order.ticket.row = Some("another".to_owned()),
    ];
    for edit in edits {
        let mut other = completed.clone();
        edit(&mut other);
        assert!(base.contradicts(&other), "{other:?}");
    }
    let later = Order { updated_at: start().plus(HOLD), ..base.clone() };
    assert!(later.is_changed_since(&completed));
    for status in [completed.status.clone(), cancelled(CancelReason::Buyer)] {
        assert!(Order { status, ..base.clone() }.is_changed_since(&later));
    }
}
