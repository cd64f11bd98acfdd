//! The seats of a listing: which are free, held, sold or withdrawn, for which order, and the status that results.

use std::collections::BTreeSet;

use common::events::ticket::{Seat, TicketStatus};
use common::id::OrderId;
use common::seats::{Blocks, Slot};
use serde::{Deserialize, Serialize};

/// The seats by slot. A seat has an order if and only if it is reserved or sold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seats(Vec<Seat>);

impl Seats {
    /// Free seats with these names.
    pub(crate) fn free(names: Vec<Option<String>>) -> Self {
        let seat = |name| Seat { name, status: TicketStatus::Available, order_id: None };
        Self(names.into_iter().map(seat).collect())
    }

    /// The seats of a payload. `None` if a seat lacks the order that its status requires, or has one that it excludes.
    pub(crate) fn from_payload(seats: Vec<Seat>) -> Option<Self> {
        let has_order = |seat: &Seat| matches!(seat.status, TicketStatus::Reserved | TicketStatus::Sold);
        seats.iter().all(|seat| has_order(seat) == seat.order_id.is_some()).then_some(Self(seats))
    }

    /// The seats as events show them.
    pub(crate) fn as_slice(&self) -> &[Seat] {
        &self.0
    }

    /// The names by slot.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Option<String>> {
        self.0.iter().map(|seat| &seat.name)
    }

    /// The status of a listing with these seats, unless it is withdrawn.
    pub(crate) fn status(&self) -> TicketStatus {
        if self.has(TicketStatus::Available) {
            TicketStatus::Available
        } else if self.are_all(TicketStatus::Sold) {
            TicketStatus::Sold
        } else {
            TicketStatus::Reserved
        }
    }

    /// Whether a listing with these seats can have this status.
    pub(crate) fn allow(&self, status: TicketStatus) -> bool {
        match status {
            TicketStatus::Withdrawn => self.has(TicketStatus::Withdrawn) && !self.has(TicketStatus::Available),
            other => !self.has(TicketStatus::Withdrawn) && self.status() == other,
        }
    }

    /// The slots of the free seats.
    pub(crate) fn free_slots(&self) -> Vec<Slot> {
        let numbered = (0..).zip(&self.0);
        numbered.filter(|(_, seat)| seat.status == TicketStatus::Available).map(|(slot, _)| slot).collect()
    }

    /// Whether any seat has this status.
    pub(crate) fn has(&self, status: TicketStatus) -> bool {
        self.0.iter().any(|seat| seat.status == status)
    }

    /// Whether all seats have this status.
    pub(crate) fn are_all(&self, status: TicketStatus) -> bool {
        self.0.iter().all(|seat| seat.status == status)
    }

    /// Whether any seat is reserved for this order.
    pub(crate) fn any_held_by(&self, order: OrderId) -> bool {
        self.0.iter().any(|seat| is_held_by(seat, order))
    }

    /// Whether any seat is reserved for this order or sold to it.
    pub(crate) fn any_of_order(&self, order: OrderId) -> bool {
        self.0.iter().any(|seat| seat.order_id == Some(order))
    }

    /// The orders for which seats are reserved, each once.
    pub(crate) fn holders(&self) -> BTreeSet<OrderId> {
        let held = self.0.iter().filter(|seat| seat.status == TicketStatus::Reserved);
        held.filter_map(|seat| seat.order_id).collect()
    }

    /// Whether any of these slots is reserved for an order or sold to it.
    pub(crate) fn any_taken(&self, slots: &[Slot]) -> bool {
        slots.iter().filter_map(|slot| self.at(*slot)).any(|seat| seat.order_id.is_some())
    }

    /// The names at these slots; `None` if `slots` is empty or has one that does not exist.
    pub(crate) fn names_at(&self, slots: &[Slot]) -> Option<Vec<Option<String>>> {
        let names = slots.iter().map(|slot| self.at(*slot).map(|seat| seat.name.clone()));
        names.collect::<Option<Vec<_>>>().filter(|names| !names.is_empty())
    }

    /// Reserves the seats with these slots for an order; `None` unless all of them are free.
    pub(crate) fn reserve(mut self, slots: &[Slot], order: OrderId) -> Option<Self> {
        for slot in slots {
            let free = self.0.get_mut(usize::from(*slot)).filter(|seat| seat.status == TicketStatus::Available)?;
            (free.status, free.order_id) = (TicketStatus::Reserved, Some(order));
        }
        (!slots.is_empty()).then_some(self)
    }

    /// Sells the seats that are reserved for an order to it; `None` if there are none.
    pub(crate) fn sell(self, order: OrderId) -> Option<Self> {
        self.end_hold(order, TicketStatus::Sold, Some(order))
    }

    /// Ends the reservation for an order and gives its seats this status; `None` if no seat is reserved for it.
    pub(crate) fn release(self, order: OrderId, status: TicketStatus) -> Option<Self> {
        self.end_hold(order, status, None)
    }

    fn end_hold(mut self, order: OrderId, status: TicketStatus, order_id: Option<OrderId>) -> Option<Self> {
        let is_held = self.any_held_by(order);
        for seat in self.0.iter_mut().filter(|seat| is_held_by(seat, order)) {
            (seat.status, seat.order_id) = (status, order_id);
        }
        is_held.then_some(self)
    }

    /// Withdraws the free seats.
    #[must_use]
    pub(crate) fn withdraw(mut self) -> Self {
        for seat in self.0.iter_mut().filter(|seat| seat.status == TicketStatus::Available) {
            seat.status = TicketStatus::Withdrawn;
        }
        self
    }

    fn at(&self, slot: Slot) -> Option<&Seat> {
        self.0.get(usize::from(slot))
    }
}

fn is_held_by(seat: &Seat, order: OrderId) -> bool {
    seat.status == TicketStatus::Reserved && seat.order_id == Some(order)
}

/// Status of a listing. What follows from its blocks and seats is stored because queries use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// The name of the status: `withdrawn`, or what follows from the seats.
    pub(crate) name: TicketStatus,
    /// How many seats are for sale.
    pub(crate) free: u8,
    /// The numbers of seats that can be ordered together, ascending.
    pub(crate) quantities: Vec<u8>,
}

impl Status {
    /// The status of a listing with these seats.
    pub(crate) fn of(is_withdrawn: bool, blocks: &Blocks, seats: &Seats) -> Self {
        let free = seats.free_slots();
        let quantities = blocks.quantities(|slot| free.contains(&slot));
        Self {
            name: if is_withdrawn { TicketStatus::Withdrawn } else { seats.status() },
            free: count(free.len()),
            quantities: quantities.into_iter().map(count).collect(),
        }
    }
}

/// A number of seats of one listing, which has at most eight.
fn count(seats: usize) -> u8 {
    u8::try_from(seats).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats() -> Seats {
        Seats::free(["12", "13", "14"].map(|name| Some(name.to_owned())).to_vec())
    }

    fn statuses(seats: &Seats) -> Vec<String> {
        seats.as_slice().iter().map(|seat| seat.status.as_ref().to_owned()).collect()
    }

    #[test]
    fn order_gets_all_of_its_seats_or_none() {
        let (order, other) = (OrderId::new(), OrderId::new());
        let held = seats().reserve(&[1, 2], order).unwrap();
        assert_eq!(statuses(&held), ["available", "reserved", "reserved"]);
        for slots in [&[0, 1][..], &[2], &[0, 3], &[]] {
            assert_eq!(held.clone().reserve(slots, other), None, "{slots:?}");
        }
        assert_eq!(held.reserve(&[0], other).unwrap().status(), TicketStatus::Reserved);
    }

    #[test]
    fn end_of_an_order_touches_its_seats_only() {
        let (first, second) = (OrderId::new(), OrderId::new());
        let held = seats().reserve(&[0], first).unwrap().reserve(&[1, 2], second).unwrap();
        assert_eq!(held.holders(), BTreeSet::from([first, second]));
        let sold = held.clone().sell(second).unwrap();
        assert_eq!(statuses(&sold), ["reserved", "sold", "sold"]);
        assert!(sold.any_of_order(second) && !sold.any_held_by(second) && sold.any_taken(&[0, 1]));
        assert_eq!((sold.clone().sell(second), sold.clone().release(second, TicketStatus::Available)), (None, None));
        let released = sold.clone().release(first, TicketStatus::Available).unwrap();
        assert_eq!(
            (statuses(&released), released.status()),
            (["available", "sold", "sold"].map(String::from).to_vec(), TicketStatus::Available)
        );
        assert_eq!(sold.sell(first).unwrap().status(), TicketStatus::Sold);
        assert_eq!(
            held.withdraw().release(first, TicketStatus::Withdrawn).map(|it| statuses(&it).remove(0)),
            Some("withdrawn".to_owned())
        );
    }

    #[test]
    fn names_are_those_of_existing_slots() {
        assert_eq!(seats().names_at(&[1, 2]), Some(vec![Some("13".to_owned()), Some("14".to_owned())]));
        assert_eq!((seats().names_at(&[2, 3]), seats().names_at(&[])), (None, None));
    }

    #[test]
    fn payload_must_agree_with_the_statuses() {
        let seat = |status, order_id| Seat { name: None, status, order_id };
        let order = Some(OrderId::new());
        for (status, order_id, is_valid) in [
            (TicketStatus::Available, None, true),
            (TicketStatus::Available, order, false),
            (TicketStatus::Reserved, None, false),
            (TicketStatus::Reserved, order, true),
            (TicketStatus::Sold, None, false),
            (TicketStatus::Withdrawn, order, false),
        ] {
            assert_eq!(Seats::from_payload(vec![seat(status, order_id)]).is_some(), is_valid, "{status:?}");
        }
    }
}
