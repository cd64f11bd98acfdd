//! The API's representation of an order.

use common::aggregate::Versioned;
use common::api;

use crate::domain::order::Order;

pub(super) fn order(order: Versioned<Order>) -> api::orders::Order {
    let Versioned { version, state: order } = order;
    api::orders::Order {
        id: order.id,
        version,
        status: order.status_name(),
        cancel_reason: order.cancel_reason(),
        refusal: order.refusal().cloned(),
        expires_at: order.expires_at,
        price: order.price,
        ticket: order.ticket,
        buyer_id: order.buyer_id,
        created_at: order.created_at,
        updated_at: order.updated_at,
    }
}
