//! Placing an order: who may order seats of a listing, and on which terms.

use std::time::Duration;

use common::events::order::OrderChange;
use common::events::ticket::{TicketState, TicketStatus};
use common::id::{OrderId, UserId};
use common::seats::Slot;
use common::timestamp::Timestamp;

use super::order::{Order, OrderError, Status, Transition};

impl Order {
    /// Whether this buyer may order seats of the listing now, if they are free.
    ///
    /// Seats that are reserved or sold are accepted. Only the orders decide who holds a seat, and `tickets` may not
    /// have released it yet after the previous order was cancelled.
    pub fn ensure_orderable(buyer_id: UserId, ticket: &TicketState, now: Timestamp) -> Result<(), OrderError> {
        if ticket.seller_id == buyer_id {
            return Err(OrderError::OwnTicket);
        }
        if ticket.status == TicketStatus::Withdrawn {
            return Err(OrderError::TicketWithdrawn);
        }
        if ticket.show_cancelled {
            return Err(OrderError::ShowCancelled);
        }
        if now >= ticket.terms.starts_at {
            return Err(OrderError::EventBegun);
        }
        Ok(())
    }

    /// Places an order of these slots on the listing's present terms, which holds the seats until `now` + `hold`.
    pub fn place(
        id: OrderId,
        buyer_id: UserId,
        ticket: &TicketState,
        slots: Vec<Slot>,
        hold: Duration,
        now: Timestamp,
    ) -> Transition {
        Self::ensure_orderable(buyer_id, ticket, now)?;
        let name = |slot: &Slot| ticket.seats.get(usize::from(*slot)).and_then(|seat| seat.name.clone());
        let order = Self {
            id,
            buyer_id,
            ticket: ticket.terms.clone(),
            show_id: ticket.show_id,
            seats: slots.iter().map(name).collect(),
            unit_price: ticket.price.clone(),
            price: ticket.price.times(slots.len()).ok_or(OrderError::PriceOutOfRange)?,
            slots,
            status: Status::Created,
            expires_at: now.plus(hold),
            created_at: now,
            updated_at: now,
        };
        Ok((order, OrderChange::Created))
    }
}
