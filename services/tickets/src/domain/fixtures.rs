//! Fixtures for the tests of the domain.

use std::time::Duration;

use common::events::order::{OrderState, OrderStatus};
use common::events::ticket::{Refusal, RefusalReason};
use common::id::{OrderId, ShowId, TicketId, UserId};
use common::money::Money;
use common::seats::{Blocks, Slot};
use common::timestamp::Timestamp;

use super::show::ShowDetails;
use super::show_link::{Occasion, ShowLink};
use super::ticket::{ListingDetails, Ticket};

pub(crate) fn now() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub(crate) fn money(amount: i64) -> Money {
    Money { amount, currency: "USD".parse().unwrap() }
}

pub(crate) fn details() -> ListingDetails {
    ListingDetails {
        title: "Hamlet".to_owned(),
        venue: "Globe".to_owned(),
        city: Some("London".to_owned()),
        starts_at: now().plus(Duration::from_secs(3600)),
        time_zone: "Europe/London".to_owned(),
        price: money(5_000),
        face_value: None,
        category: None,
        section: Some("A".to_owned()),
        row: Some("2".to_owned()),
        blocks: Blocks::one_seat(),
        description: None,
    }
}

/// An available listing of one seat.
pub(crate) fn ticket() -> Ticket {
    ticket_of(&[1])
}

/// An available listing of seats in blocks of these sizes.
pub(crate) fn ticket_of(blocks: &[u8]) -> Ticket {
    let blocks = Blocks::try_from(blocks.to_vec()).unwrap();
    let names = names(blocks.seats());
    let listing = ListingDetails { blocks, ..details() };
    Ticket::list(TicketId::new(), UserId::new(), link(), listing, names, now()).0
}

/// The names of the seats of a listing.
pub(crate) fn names(seats: usize) -> Vec<Option<String>> {
    (14..).take(seats).map(|number: u32| Some(number.to_string())).collect()
}

/// The listing with these seats reserved for the order.
pub(crate) fn hold(ticket: &Ticket, order: OrderId, slots: &[Slot]) -> Ticket {
    ticket.clone().reserve(order, slots, now()).unwrap().0
}

/// The status of each seat.
pub(crate) fn statuses(ticket: &Ticket) -> Vec<String> {
    ticket.seats.as_slice().iter().map(|seat| seat.status.as_ref().to_owned()).collect()
}

/// The listing in each status; the order is the one that holds or bought the seat.
pub(crate) fn in_each_status(order: OrderId) -> [Ticket; 4] {
    let held = hold(&ticket(), order, &[0]);
    [ticket(), held.clone(), held.sell(order, now()).unwrap().0, ticket().withdraw(now()).unwrap().0]
}

/// The link to the show of [`details`].
pub(crate) fn link() -> ShowLink {
    ShowLink::new(ShowId::new(), show_details().country)
}

/// The show of [`details`].
pub(crate) fn show_details() -> ShowDetails {
    details().show()
}

/// The occasion of [`details`] at another time.
pub(crate) fn moved_to(starts_at: Timestamp) -> Occasion {
    let ListingDetails { venue, city, time_zone, .. } = details();
    Occasion { venue, city, starts_at, time_zone }
}

pub(crate) fn refusal() -> Refusal {
    Refusal { reason: RefusalReason::TermsChanged, price: None }
}

/// An order of the first seat at the listing's current terms and price.
pub(crate) fn order(ticket: &Ticket, status: OrderStatus) -> OrderState {
    order_of(ticket, &[0], status)
}

/// An order of these slots at the listing's current terms and price.
pub(crate) fn order_of(ticket: &Ticket, slots: &[Slot], status: OrderStatus) -> OrderState {
    let price = &ticket.listing.price;
    OrderState {
        id: OrderId::new(),
        buyer_id: UserId::new(),
        status,
        cancel_reason: None,
        refusal: None,
        payment_id: None,
        ticket: ticket.terms(),
        show_id: ticket.show.id,
        slots: slots.to_vec(),
        seats: ticket.seats.names_at(slots).unwrap(),
        unit_price: price.clone(),
        price: price.times(slots.len()).unwrap(),
        expires_at: now().plus(Duration::from_secs(900)),
        created_at: now(),
        updated_at: now(),
    }
}
