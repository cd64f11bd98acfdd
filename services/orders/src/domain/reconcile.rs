//! An order's next transition, given its listing and the payments that can affect it.

use common::aggregate::Aggregate;
use common::events::payment::{PaymentState, PaymentStatus};
use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::{RefusalReason, TicketState};
use common::id::OrderId;
use common::timestamp::Timestamp;

use super::order::{Order, Status, Transition};

/// The order's next transition; `None` when it agrees with its listing and its payments. `payments` must contain all
/// payments that are not declined, or, once the order is authorised, the payment that authorised it.
///
/// A cancelled show ends an unpaid order, even if a payment of it is authorised or captured by now: `payments` gives
/// that back. An order that is authorised or completed is not cancelled: its buyer paid in time, and the charge has to
/// be refunded. Whether the show is cancelled is read from the replica of the listing, so the replica of the show is
/// not needed.
///
/// A payment that arrives before the listing's reservation takes effect once the reservation has arrived. A payment
/// that is authorised after the order was cancelled changes nothing: `payments` voids it.
pub fn next<'a>(
    order: &Order,
    ticket: Option<&TicketState>,
    mut payments: impl Iterator<Item = &'a PaymentState>,
    now: Timestamp,
) -> Option<Transition> {
    if order.is_unpaid() && ticket.is_some_and(|ticket| ticket.show_cancelled) {
        return Some(order.clone().cancel_for_show(now));
    }
    match order.status {
        Status::Created => confirm_or_cancel(order, ticket?, now),
        Status::AwaitingPayment => {
            // `payments` allows one active payment per order. Should there be several, a captured one wins; otherwise
            // the smallest id wins, so that all instances choose the same payment.
            let winner = payments
                .filter(|payment| can_win(payment, order))
                .min_by_key(|payment| (payment.status != PaymentStatus::Captured, payment.id))?;
            Some(order.clone().authorize(winner.id, now))
        }
        Status::Authorized { payment_id } => {
            let winner = payments.find(|payment| payment.id == payment_id && payment.order_id == order.id)?;
            match winner.status {
                PaymentStatus::Captured => Some(order.clone().complete(payment_id, now)),
                PaymentStatus::Failed | PaymentStatus::Voided | PaymentStatus::Declined => {
                    Some(order.clone().fail_payment(payment_id, now))
                }
                PaymentStatus::Authorizing | PaymentStatus::RequiresAction | PaymentStatus::Authorized => None,
            }
        }
        Status::Completed { .. } | Status::Cancelled { .. } => None,
    }
}

/// The transition of an order that waits for its listing.
fn confirm_or_cancel(order: &Order, ticket: &TicketState, now: Timestamp) -> Option<Transition> {
    // The listing's status does not matter: a withdrawn listing keeps the seats that were reserved before.
    if ticket.has_seats_for(order.id, &order.slots) {
        return Some(order.clone().confirm(now));
    }
    let refused = ticket.refusals.iter().find(|refused| refused.order_id == order.id)?;
    // The listing may refuse an order because the show is cancelled, or show the cancellation first. The order ends in
    // the same state either way.
    if refused.refusal.reason == RefusalReason::ShowCancelled {
        return Some(order.clone().cancel_for_show(now));
    }
    Some(order.clone().refuse(refused.refusal.clone(), now))
}

/// The present start of the show, if it differs from the start that the buyer agreed to by their minutes; `None` if the
/// show is cancelled.
pub fn changed_start(order: &Order, show: &ShowState) -> Option<Timestamp> {
    let minute = |time: Timestamp| time.as_seconds().div_euclid(60);
    let is_changed = minute(show.starts_at) != minute(order.ticket.starts_at);
    (is_changed && show.status != ShowStatus::Cancelled).then_some(show.starts_at)
}

/// Whether the payment is for exactly the order's price, and is authorised, or captured and not refunded in full.
fn can_win(payment: &PaymentState, order: &Order) -> bool {
    matches!(payment.status, PaymentStatus::Authorized | PaymentStatus::Captured)
        && payment.order_id == order.id
        && payment.amount == order.price
        && !payment.is_refunded()
}

/// Whether this listing can lead to a transition of any order: whether it has reserved seats or refusals, or its show
/// is cancelled.
pub fn ticket_can_cause_transition(ticket: &TicketState) -> bool {
    !ticket.holders().is_empty() || !ticket.refusals.is_empty() || ticket.show_cancelled
}

/// Whether a listing can lead to a transition of this order: reservations and refusals affect created orders, and the
/// cancellation of the show affects unpaid ones.
pub fn can_be_changed_by(order: &Order, ticket: &TicketState) -> bool {
    matches!(order.status, Status::Created) || (ticket.show_cancelled && order.is_unpaid())
}

/// Whether this payment can lead to a transition of any order: not while the provider or the buyer has yet to respond.
pub fn payment_can_cause_transition(payment: &PaymentState) -> bool {
    !matches!(payment.status, PaymentStatus::Authorizing | PaymentStatus::RequiresAction)
}

/// The orders whose end the listing waits for: those that its seats are reserved for, and those that it refused.
pub fn pending_order_ids(ticket: &TicketState) -> impl Iterator<Item = OrderId> {
    ticket.holders().into_iter().chain(ticket.refusals.iter().map(|refused| refused.order_id))
}

/// Whether `tickets` has missed the event of this order's end.
pub fn tickets_missed_end(order: &Order, ticket: &TicketState) -> bool {
    order.is_settled() && pending_order_ids(ticket).any(|id| id == order.id)
}

/// Whether `payments` has missed the event that this order was authorised or cancelled.
pub fn payments_missed_decision(order: &Order, payment: &PaymentState) -> bool {
    !order.is_unpaid() && payment.order_id == order.id && !payment.status.is_final()
}
