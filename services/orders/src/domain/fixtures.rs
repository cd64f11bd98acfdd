//! Sample listings, orders and payments for the domain tests.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use common::events::payment::{PaymentState, PaymentStatus};
use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::{Refusal, RefusalReason, RefusedOrder, Seat, TicketState, TicketStatus, TicketTerms};
use common::id::{OrderId, PaymentId, ShowId, TicketId, UserId};
use common::money::Money;
use common::seats::Slot;
use common::timestamp::Timestamp;

use super::order::Order;

/// How long an order holds its seats.
pub(super) const HOLD: Duration = Duration::from_secs(900);

/// The time at which all fixtures are created.
pub(super) fn start() -> Timestamp {
    "2026-11-22T20:00:00Z".parse().unwrap()
}

pub(super) fn usd(amount: i64) -> Money {
    Money { amount, currency: "USD".parse().unwrap() }
}

/// A listing of one seat that is for sale.
pub(super) fn ticket() -> TicketState {
    ticket_of(&[1])
}

/// A listing of these blocks that is for sale. Its seats have the numbers from 14 on.
pub(super) fn ticket_of(blocks: &[u8]) -> TicketState {
    let seat = |number| Seat { name: Some(number), status: TicketStatus::Available, order_id: None };
    TicketState {
        terms: TicketTerms {
            id: TicketId::new(),
            title: "Nina Simone Tribute".to_owned(),
            venue: "Town Hall".to_owned(),
            city: None,
            starts_at: start().plus(Duration::from_secs(86_400)),
            time_zone: "UTC".to_owned(),
            section: None,
            row: None,
            blocks: blocks.to_vec().try_into().unwrap(),
        },
        show_id: ShowId::new(),
        show_cancelled: false,
        seller_id: UserId::new(),
        price: usd(12_550),
        price_drop: None,
        face_value: None,
        category: None,
        description: None,
        status: TicketStatus::Available,
        seats: (14..).take(usize::from(blocks.iter().sum::<u8>())).map(|n: u32| seat(n.to_string())).collect(),
        refusals: Vec::new(),
        created_at: start(),
        updated_at: start(),
    }
}

/// The listing's show in this status.
pub(super) fn show(ticket: &TicketState, status: ShowStatus) -> ShowState {
    ShowState {
        id: ticket.show_id,
        title: ticket.terms.title.clone(),
        venue: ticket.terms.venue.clone(),
        city: None,
        country: None,
        starts_at: ticket.terms.starts_at,
        ends_at: None,
        time_zone: ticket.terms.time_zone.clone(),
        category: None,
        status,
        cancel_reason: (status == ShowStatus::Cancelled).then(|| "The singer is ill.".to_owned()),
        merged_into: None,
        created_at: start(),
        updated_at: start(),
    }
}

/// A refusal because the price has changed.
pub(super) fn refusal() -> Refusal {
    Refusal { reason: RefusalReason::PriceChanged, price: Some(usd(20_000)) }
}

/// Returns the listing with all seats reserved for an order.
pub(super) fn reserved(ticket: &TicketState, order: OrderId) -> TicketState {
    reserved_seats(ticket, order, &ticket.terms.blocks.slots())
}

/// Returns the listing with these seats reserved for an order.
pub(super) fn reserved_seats(ticket: &TicketState, order: OrderId, slots: &[Slot]) -> TicketState {
    let mut ticket = ticket.clone();
    for slot in slots {
        let seat = ticket.seats.get_mut(usize::from(*slot)).unwrap();
        (seat.status, seat.order_id) = (TicketStatus::Reserved, Some(order));
    }
    if ticket.status == TicketStatus::Available && ticket.free_slots().is_empty() {
        ticket.status = TicketStatus::Reserved;
    }
    ticket
}

/// Returns the listing with a refusal of an order.
pub(super) fn refusing(ticket: &TicketState, order: OrderId) -> TicketState {
    let refusals = vec![RefusedOrder { order_id: order, refusal: refusal() }];
    TicketState { refusals, ..ticket.clone() }
}

/// An order of the whole listing that was just placed.
pub(super) fn order(ticket: &TicketState) -> Order {
    order_of(ticket, &ticket.terms.blocks.slots())
}

/// An order of these slots that was just placed.
pub(super) fn order_of(ticket: &TicketState, slots: &[Slot]) -> Order {
    Order::place(OrderId::new(), UserId::new(), ticket, slots.to_vec(), HOLD, start()).unwrap().0
}

/// A payment of the order's price.
pub(super) fn payment(order: &Order, id: PaymentId, status: PaymentStatus) -> PaymentState {
    PaymentState {
        id,
        order_id: order.id,
        buyer_id: order.buyer_id,
        status,
        amount: order.price.clone(),
        provider: "stripe".to_owned(),
        provider_ref: None,
        decline_reason: None,
        authorized_at: None,
        received: None,
        refunded: None,
        disputed: false,
        created_at: start(),
        updated_at: start(),
    }
}
