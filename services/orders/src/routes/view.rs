//! The API's representation of an order.

use common::aggregate::Versioned;
use common::api;
use common::api::orders::OrderedTicket;
use common::events::show::ShowState;

use crate::domain::order::Order;
use crate::domain::reconcile::changed_start;

/// `show` is the present state of the order's show; `None` if it is unknown, or if the response does not include it.
pub(super) fn order(order: Versioned<Order>, show: Option<&ShowState>) -> api::orders::Order {
    let Versioned { version, state: order } = order;
    api::orders::Order {
        id: order.id,
        version,
        status: order.status_name(),
        cancel_reason: order.cancel_reason(),
        refusal: order.refusal().cloned(),
        expires_at: order.expires_at,
        show_id: order.show_id,
        show_status: show.map(|show| show.status),
        current_starts_at: show.and_then(|show| changed_start(&order, show)),
        price: order.price,
        unit_price: order.unit_price,
        quantity: u8::try_from(order.slots.len()).unwrap_or(u8::MAX),
        ticket: OrderedTicket { terms: order.ticket, seat: only_name(&order.seats) },
        seats: order.seats,
        slots: order.slots,
        buyer_id: order.buyer_id,
        created_at: order.created_at,
        updated_at: order.updated_at,
    }
}

/// The name of the seat, if there is only one.
fn only_name(seats: &[Option<String>]) -> Option<String> {
    if let [name] = seats { name.clone() } else { None }
}
