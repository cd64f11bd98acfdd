//! Sample listings, orders and payments for the domain tests.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

use std::time::Duration;

use common::events::payment::{PaymentState, PaymentStatus};
use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::{Refusal, RefusalReason, RefusedOrder, TicketState, TicketStatus, TicketTerms};
use common::id::{OrderId, PaymentId, ShowId, TicketId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;

use super::order::Order;

/// How long an order holds its ticket.
pub(super) const HOLD: Duration = Duration::from_secs(900);

/// The time at which all fixtures are created.
pub(super) fn start() -> Timestamp {
    "2026-11-22T20:00:00Z".parse().unwrap()
}

pub(super) fn usd(amount: i64) -> Money {
    Money { amount, currency: "USD".parse().unwrap() }
}

/// A listing that is for sale.
pub(super) fn ticket() -> TicketState {
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
            seat: Some("14".to_owned()),
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
        order_id: None,
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

/// Returns the listing as reserved for an order.
pub(super) fn reserved(ticket: &TicketState, order: OrderId) -> TicketState {
    TicketState { status: TicketStatus::Reserved, order_id: Some(order), ..ticket.clone() }
}

/// Returns the listing with a refusal of an order.
pub(super) fn refusing(ticket: &TicketState, order: OrderId) -> TicketState {
    let refusals = vec![RefusedOrder { order_id: order, refusal: refusal() }];
    TicketState { refusals, ..ticket.clone() }
}

/// An order that was just placed.
pub(super) fn order(ticket: &TicketState) -> Order {
    Order::place(OrderId::new(), UserId::new(), ticket, HOLD, start()).unwrap().0
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
