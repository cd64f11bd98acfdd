//! The choice of seats for an order, given the open orders of the listing.
//!
//! # Why
//! The choice only avoids collisions: the unique index over the slots decides which order gets a seat. It considers
//! only orders, because the replica of the listing lags behind them.

use std::collections::BTreeSet;

use common::aggregate::Versioned;
use common::error::{Error, Rejection};
use common::id::{OrderId, UserId};
use common::seats::{Blocks, Slot};

use super::order::{Order, OrderError};

/// The seats that a buyer wants from a listing.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The blocks of the listing.
    pub blocks: &'a Blocks,
    /// The number of seats; if the buyer names none, the smallest that can be ordered.
    pub quantity: Option<usize>,
    /// The buyer.
    pub buyer: UserId,
}

/// Why there are no seats for an order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// No seat is free, or the buyer holds some already.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// No run of free blocks has that many seats, but these numbers can be ordered.
    #[error("no run of free blocks has that many seats")]
    NoSeats(Vec<usize>),
}

impl From<ChoiceError> for Error {
    fn from(error: ChoiceError) -> Self {
        match error {
            ChoiceError::Order(error) => error.into(),
            ChoiceError::NoSeats(quantities) => {
                let names: Vec<String> = quantities.iter().map(ToString::to_string).collect();
                let detail = match names.split_last() {
                    None => "No seats from this listing are available right now.".to_owned(),
                    Some((last, [])) => format!("That many seats are not available together. You can order {last}."),
                    Some((last, others)) => {
                        format!(
                            "That many seats are not available together. You can order {} or {last}.",
                            others.join(", ")
                        )
                    }
                };
                Self::Conflict(Rejection::new("no-seats", detail).with_quantities(quantities))
            }
        }
    }
}

/// Chooses the lowest run of free blocks with that many seats. If all blocks are single seats and `random` is given, it
/// chooses any such run instead, so that buyers whose orders collided spread over the seats.
fn choose<'a>(
    wish: Wish<'_>,
    open: impl Iterator<Item = &'a Order> + Clone,
    random: Option<usize>,
) -> Result<Vec<Slot>, ChoiceError> {
    let mut own = open.clone().filter(|order| order.buyer_id == wish.buyer);
    if own.clone().any(Order::is_unpaid) {
        return Err(OrderError::AlreadyHeld.into());
    }
    let taken: BTreeSet<Slot> = open.flat_map(|order| order.slots.iter().copied()).collect();
    let is_free = |slot| !taken.contains(&slot);
    let quantity = wish.quantity.or_else(|| wish.blocks.quantities(is_free).first().copied());
    let mut runs = quantity.map_or_else(Vec::new, |quantity| wish.blocks.runs(quantity, is_free));
    if runs.is_empty() {
        let quantities = wish.blocks.quantities(is_free);
        if !quantities.is_empty() {
            return Err(ChoiceError::NoSeats(quantities));
        }
        return Err(if own.next().is_some() { OrderError::AlreadyHeld } else { OrderError::TicketTaken }.into());
    }
    let index = random.filter(|_| wish.blocks.are_single_seats()).map_or(0, |random| random % runs.len());
    Ok(runs.swap_remove(index))
}

/// What a request for seats does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// Return this order, which a request with the same idempotency key has placed.
    Repeat(Box<Versioned<Order>>),
    /// Insert an order of these slots.
    Insert(Vec<Slot>),
}

/// Decides what the request for an order with this id does next. A concurrent request with the same idempotency key has
/// the same id. If it has placed the order in the meantime, that order is returned, and does not count as another hold
/// of the buyer.
pub fn next_attempt(
    id: OrderId,
    wish: Wish<'_>,
    open: &[Versioned<Order>],
    random: Option<usize>,
) -> Result<Attempt, ChoiceError> {
    if let Some(placed) = open.iter().find(|order| order.id == id) {
        return Ok(Attempt::Repeat(Box::new(placed.clone())));
    }
    choose(wish, open.iter().map(|order| &order.state), random).map(Attempt::Insert)
}

/// A number for the choice after this many collisions of the request that places an order. It differs between requests,
/// since the last bits of an id are random.
pub fn random_for(order: OrderId, collisions: usize) -> usize {
    let bytes = order.as_uuid().into_bytes();
    let byte = bytes.iter().nth_back(collisions % 4).copied().unwrap_or_default();
    usize::from(byte) + collisions
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{order_of, ticket_of};
    use super::super::order::Status;
    use super::*;

    fn blocks(sizes: &[u8]) -> Blocks {
        sizes.to_vec().try_into().unwrap()
    }

    #[test]
    fn lowest_free_run_is_chosen() {
        let ticket = ticket_of(&[2, 2, 2]);
        let pairs = &ticket.terms.blocks;
        let buyer = UserId::new();
        let choose = |quantity: usize, open: &[Order]| {
            choose(Wish { blocks: pairs, quantity: Some(quantity), buyer }, open.iter(), Some(1))
        };
        let [first, second, third] = [0, 2, 4].map(|slot| order_of(&ticket, &[slot, slot + 1]));
        assert_eq!(choose(2, &[]), Ok(vec![0, 1]));
        assert_eq!(choose(2, std::slice::from_ref(&first)), Ok(vec![2, 3]));
        assert_eq!(choose(4, std::slice::from_ref(&first)), Ok(vec![2, 3, 4, 5]));
        assert_eq!(choose(3, &[]), Err(ChoiceError::NoSeats(vec![2, 4, 6])), "three would break a pair");
        assert_eq!(choose(4, std::slice::from_ref(&second)), Err(ChoiceError::NoSeats(vec![2])));
        let all = [first, second, third];
        assert_eq!(choose(2, &all), Err(OrderError::TicketTaken.into()));
    }

    #[test]
    fn buyer_has_one_unpaid_order_of_a_listing() {
        let ticket = ticket_of(&[1, 1]);
        let own = order_of(&ticket, &[0]);
        let wish = Wish { blocks: &ticket.terms.blocks, quantity: Some(1), buyer: own.buyer_id };
        assert_eq!(choose(wish, [&own].into_iter(), None), Err(OrderError::AlreadyHeld.into()));
        let paid = Order { status: Status::Authorized { payment_id: common::id::PaymentId::new() }, ..own.clone() };
        assert_eq!(choose(wish, [&paid].into_iter(), None), Ok(vec![1]), "a paid order is no hold");
        let other = order_of(&ticket, &[1]);
        let error = choose(wish, [&paid, &other].into_iter(), None);
        assert_eq!(error, Err(OrderError::AlreadyHeld.into()), "the buyer has what others would call taken");
    }

    #[test]
    fn repeat_of_a_request_gets_the_order_that_the_other_one_placed() {
        let ticket = ticket_of(&[1, 1]);
        let placed = Versioned { version: 0, state: order_of(&ticket, &[1]) };
        let other = Versioned { version: 0, state: order_of(&ticket, &[0]) };
        let wish = Wish { blocks: &ticket.terms.blocks, quantity: Some(1), buyer: placed.buyer_id };
        let open = [other.clone(), placed.clone()];
        assert_eq!(next_attempt(placed.id, wish, &open, Some(0)), Ok(Attempt::Repeat(Box::new(placed))));
        assert_eq!(next_attempt(OrderId::new(), wish, &open, Some(0)), Err(OrderError::AlreadyHeld.into()));
        assert_eq!(next_attempt(OrderId::new(), wish, &[other], Some(0)), Ok(Attempt::Insert(vec![1])));
    }

    #[test]
    fn buyers_that_collided_spread_over_single_seats() {
        let buyer = UserId::new();
        let choose_of =
            |blocks: &Blocks, random| choose(Wish { blocks, quantity: Some(1), buyer }, [].into_iter(), random);
        let ones = blocks(&[1; 8]);
        let chosen: BTreeSet<_> = (0..8).map(|random| choose_of(&ones, Some(random)).unwrap()).collect();
        assert_eq!(chosen.len(), 8);
        assert_eq!(choose_of(&ones, None), Ok(vec![0]));
        assert_eq!(choose_of(&blocks(&[1, 2, 1]), Some(1)), Ok(vec![0]), "the lowest unless all blocks are single");
        let order = OrderId::new();
        let numbers: BTreeSet<_> = (0..8).map(|collisions| random_for(order, collisions) % 8).collect();
        assert!(numbers.len() > 1, "another place after another collision");
    }

    #[test]
    fn default_quantity_is_the_smallest_that_is_free() {
        // The sizes of the blocks, the slots that are taken, and those that are chosen.
        type Case<'a> = (&'a [u8], &'a [Slot], &'a [Slot]);
        let buyer = UserId::new();
        let chosen = |sizes: &[u8], taken: &[Slot]| {
            let ticket = ticket_of(sizes);
            let open: Vec<_> = (!taken.is_empty()).then(|| order_of(&ticket, taken)).into_iter().collect();
            choose(Wish { blocks: &ticket.terms.blocks, quantity: None, buyer }, open.iter(), None)
        };
        let table: [Case<'_>; 4] = [
            (&[2, 2, 2], &[], &[0, 1]),
            (&[3, 2], &[], &[3, 4]),
            (&[3, 2], &[3, 4], &[0, 1, 2]),
            (&[1, 1, 1], &[0], &[1]),
        ];
        for (sizes, taken, expected) in table {
            assert_eq!(chosen(sizes, taken), Ok(expected.to_vec()), "{sizes:?} {taken:?}");
        }
        assert_eq!(chosen(&[1, 1], &[0, 1]), Err(OrderError::TicketTaken.into()));
    }

    #[test]
    fn refusal_names_what_can_be_ordered() {
        let problem = |quantities: &[usize]| Error::from(ChoiceError::NoSeats(quantities.to_vec())).problem();
        assert_eq!(problem(&[2]).detail, "That many seats are not available together. You can order 2.");
        let several = problem(&[1, 2, 4]);
        assert_eq!(several.detail, "That many seats are not available together. You can order 1, 2 or 4.");
        assert_eq!((several.status, several.code(), several.quantities.clone()), (409, "no-seats", vec![1, 2, 4]));
        assert_eq!(Error::from(ChoiceError::from(OrderError::TicketTaken)).problem().code(), "ticket-taken");
    }
}
