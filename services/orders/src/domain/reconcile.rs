//! What an order does next, given its listing and the payments that can move it.

use common::aggregate::Aggregate;
use common::events::payment::{PaymentState, PaymentStatus};
use common::events::ticket::{TicketState, TicketStatus};
use common::id::OrderId;
use common::timestamp::Timestamp;

use super::order::{Changed, Order, Status};

/// The next step of this order; `None` when it agrees with its listing and its payments. Of those it has to be given
/// the ones that are not declined, or, once it is won, the one that won it.
///
/// A payment that is known before the listing's answer waits for it. One that is authorised when the
/// order is closed changes nothing: payments gives the authorisation back.
pub fn next<'a>(
    order: &Order,
    ticket: Option<&TicketState>,
    mut payments: impl Iterator<Item = &'a PaymentState>,
    now: Timestamp,
) -> Option<Changed> {
    match order.status {
        Status::Created => answer(order, ticket?, now),
        Status::AwaitingPayment => {
            // payments lets only one be alive. If there were several, one that is charged already
            // would have to win, and else all instances have to choose the same one.
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

/// What the listing says to an order that waits for it.
fn answer(order: &Order, ticket: &TicketState, now: Timestamp) -> Option<Changed> {
    if holds(ticket) == Some(order.id) {
        return Some(order.clone().confirm(now));
    }
    let refused = ticket.refusals.iter().find(|refused| refused.order_id == order.id)?;
    Some(order.clone().refuse(refused.refusal.clone(), now))
}

/// The order that the listing is held for.
fn holds(ticket: &TicketState) -> Option<OrderId> {
    ticket.order_id.filter(|_| ticket.status == TicketStatus::Reserved)
}

/// Whether this payment sets aside, or has charged and not given back, exactly what the order costs.
fn can_win(payment: &PaymentState, order: &Order) -> bool {
    matches!(payment.status, PaymentStatus::Authorized | PaymentStatus::Captured)
        && payment.order_id == order.id
        && payment.amount == order.price
        && payment.refunded.as_ref().is_none_or(|refunded| refunded.amount != payment.amount)
}

/// The orders whose end the listing waits for: the one that it is held for, and those it refused.
pub fn awaited_by(ticket: &TicketState) -> impl Iterator<Item = OrderId> {
    holds(ticket).into_iter().chain(ticket.refusals.iter().map(|refused| refused.order_id))
}

/// Whether tickets waits for the end of this order, which was told already.
pub fn is_tickets_behind(order: &Order, ticket: &TicketState) -> bool {
    order.is_final() && awaited_by(ticket).any(|id| id == order.id)
}

/// Whether payments waits for news of this order that was told already: that it is won, or closed.
pub fn is_payments_behind(order: &Order, payment: &PaymentState) -> bool {
    let decided = !matches!(order.status, Status::Created | Status::AwaitingPayment);
    decided && payment.order_id == order.id && !payment.status.is_final()
}
