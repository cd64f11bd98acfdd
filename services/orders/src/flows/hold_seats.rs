//! Stores an order that holds free seats of a listing.
//!
//! # Why
//! The unique indexes decide which order gets a seat. So an order of the whole listing is inserted without reading the
//! other orders, and for a listing of one block that insert is the only cost.
//!
//! Any other order first chooses seats that no open order has. If another order has taken them before the insert, the
//! flow reads the open orders again and chooses other seats. It reads them in the causal session of the insert, so that
//! it sees the order that it collided with. There are as many attempts as blocks: each collision can mean that another
//! buyer got a block, and no more buyers than blocks can get one.

use common::aggregate::{ChangeOf, Versioned};
use common::error::Error;
use common::events::ticket::TicketState;
use common::id::{OrderId, UserId};
use common::timestamp::Timestamp;
use platform::store::causal::CausalStore;
use platform::store::error::StoreError;

use crate::domain::choice::{Attempt, Wish, next_attempt, random_for};
use crate::domain::order::{Order, OrderError};
use crate::state::AppState;
use crate::store;

/// A request for seats of a listing.
#[derive(Debug)]
pub struct HoldRequest<'a> {
    /// The id of the order; that of an earlier request with the same idempotency key, if there was one.
    pub id: OrderId,
    /// The buyer.
    pub buyer: UserId,
    /// The listing.
    pub ticket: &'a TicketState,
    /// The number of seats; if the buyer names none, the smallest that can be ordered.
    pub quantity: Option<usize>,
    /// When the hold begins.
    pub now: Timestamp,
}

/// The order that holds the seats.
#[derive(Debug)]
pub enum Held {
    /// The request placed it.
    New(Versioned<Order>),
    /// An earlier or a concurrent request with the same idempotency key placed it.
    Earlier(Versioned<Order>),
}

/// Holds seats for a request.
///
/// # Errors
/// 409 if not enough seats are free together, if the buyer already holds seats of the listing, or if other orders took
/// the chosen seats first in every attempt.
pub async fn hold_seats(state: &AppState, request: &HoldRequest<'_>) -> Result<Held, Error> {
    let HoldRequest { id, buyer, ticket, quantity, now } = *request;
    let (blocks, listing) = (&ticket.terms.blocks, ticket.terms.id);
    let attempts = blocks.sizes().len();
    // There is no second attempt for one block, so its insert may be batched with others.
    let mut causal = if attempts > 1 { Some(state.orders.causal().await?) } else { None };
    let wish = Wish { blocks, quantity, buyer };
    let mut slots = blocks.slots();
    // Without a quantity, an order of a listing with only one block takes the whole listing.
    let is_whole = quantity.map_or(attempts == 1, |quantity| quantity == slots.len());
    if !is_whole {
        let open = store::open_orders(&state.orders, listing).await?;
        slots = match next_attempt(id, wish, &open, None)? {
            Attempt::Repeat(earlier) => return Ok(Held::Earlier(*earlier)),
            Attempt::Insert(slots) => slots,
        };
    }
    for collisions in 1..=attempts {
        let (order, change) = Order::place(id, buyer, ticket, slots, state.config.order_ttl, now)?;
        let error = match insert(state, causal.as_mut(), order, change).await {
            Ok(order) => return Ok(Held::New(order)),
            Err(error @ StoreError::Duplicate(_)) => error,
            Err(error) => return Err(error.into()),
        };
        // A repeat violates the unique index on `_id` and those on the seats and the hold; MongoDB reports any of them.
        if let Some(earlier) = state.orders.get(id).await? {
            return Ok(Held::Earlier(earlier));
        }
        if !store::is_collision(&error) {
            return Err(error.into());
        }
        let open = match causal.as_mut() {
            Some(orders) => store::open_orders_since(orders, listing).await?,
            None => store::open_orders(&state.orders, listing).await?,
        };
        slots = match next_attempt(id, wish, &open, Some(random_for(id, collisions)))? {
            Attempt::Repeat(earlier) => return Ok(Held::Earlier(*earlier)),
            Attempt::Insert(slots) => slots,
        };
    }
    Err(if attempts == 1 { OrderError::TicketTaken } else { OrderError::SeatsTaken }.into())
}

async fn insert(
    state: &AppState,
    causal: Option<&mut CausalStore<'_, Order>>,
    order: Order,
    change: ChangeOf<Order>,
) -> Result<Versioned<Order>, StoreError> {
    match causal {
        Some(orders) => orders.insert(order, change).await,
        None => state.orders.insert(order, change).await,
    }
}
