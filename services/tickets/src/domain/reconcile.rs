//! What a listing does next, given every order of it that is known.

use common::events::order::{OrderState, OrderStatus};
use common::events::ticket::{Refusal, RefusalReason, TicketChange};
use common::timestamp::Timestamp;

use super::ticket::{Status, Ticket, TicketError};

/// The next step of this listing; `None` when it agrees with all of its orders.
///
/// Being held for another order is no refusal: orders lets only one be open, so the other one is
/// closed already and its news is on the way; the new one waits for it.
pub fn next<'a>(
    ticket: &Ticket,
    orders: impl Iterator<Item = &'a OrderState> + Clone,
    now: Timestamp,
) -> Option<Result<(Ticket, TicketChange), TicketError>> {
    let by_id = |id| orders.clone().find(|order| order.id == id);
    if let Status::Reserved { order_id } = ticket.status {
        match by_id(order_id).map(|order| order.status) {
            Some(OrderStatus::Completed) => return Some(ticket.clone().sell(order_id, now)),
            Some(OrderStatus::Cancelled) => return Some(ticket.clone().release(order_id, now)),
            _ => {}
        }
    }
    let closed: Vec<_> = ticket
        .refusals
        .iter()
        .map(|refused| refused.order_id)
        .filter(|id| by_id(*id).is_some_and(|order| order.status.is_final()))
        .collect();
    if !closed.is_empty() {
        return Some(Ok(ticket.clone().forget_refusals(&closed, now)));
    }
    if matches!(ticket.status, Status::Reserved { .. } | Status::Sold { .. }) {
        return None;
    }
    // The newest: an older one can only be one that is closed without our knowing.
    let waiting = orders
        .filter(|order| order.status == OrderStatus::Created && !ticket.has_refused(order.id))
        .max_by_key(|order| order.id)?;
    Some(match obstacle(ticket, waiting, now) {
        None => ticket.clone().reserve(waiting.id, now),
        Some(refusal) => ticket.clone().refuse(waiting.id, refusal, now),
    })
}

/// Why this order can't have the listing, if it can't.
fn obstacle(ticket: &Ticket, order: &OrderState, now: Timestamp) -> Option<Refusal> {
    let refuse = |reason| Some(Refusal { reason, price: None });
    if ticket.status == Status::Withdrawn {
        refuse(RefusalReason::Withdrawn)
    } else if now >= ticket.listing.starts_at {
        refuse(RefusalReason::Begun)
    } else if order.price != ticket.listing.price {
        Some(Refusal { reason: RefusalReason::PriceChanged, price: Some(ticket.listing.price.clone()) })
    } else if order.ticket != ticket.terms() {
        refuse(RefusalReason::TermsChanged)
    } else {
        None
    }
}

/// Whether orders waits for news of this order that the listing has told already.
pub fn is_peer_behind(ticket: &Ticket, order: &OrderState) -> bool {
    order.status == OrderStatus::Created && (ticket.order_id() == Some(order.id) || ticket.has_refused(order.id))
}
