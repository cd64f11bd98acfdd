//! The hold that every page reminds its buyer of.

use common::events::order::OrderState;
use common::id::OrderId;
use common::timestamp::Timestamp;

use super::order_view::is_unpaid;

/// A buyer's unpaid hold that ends before the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OpenHold {
    pub order: OrderId,
    pub title: String,
    /// Seconds until it ends.
    pub left: u64,
    /// Number of other open holds.
    pub others: usize,
}

impl OpenHold {
    /// The open hold that ends next; `None` if no hold is open.
    pub(crate) fn next_to_end<'a>(orders: impl IntoIterator<Item = &'a OrderState>, now: Timestamp) -> Option<Self> {
        let seconds_left = |order: &OrderState| order.expires_at.since(now).as_secs();
        let mut open: Vec<_> = orders.into_iter().filter(|order| is_unpaid(order) && seconds_left(order) > 0).collect();
        open.sort_by_key(|order| order.expires_at);
        let next = open.first()?;
        Some(Self {
            order: next.id,
            title: next.ticket.title.clone(),
            left: seconds_left(next),
            others: open.len() - 1,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::events::order::OrderStatus;

    use super::*;
    use crate::domain::order_view::tests::sample;

    #[test]
    fn next_hold_to_end_is_unpaid_and_not_over() {
        let orders: Vec<_> = [
            (OrderStatus::Completed, 60),
            (OrderStatus::Cancelled, 60),
            (OrderStatus::Authorized, 60),
            (OrderStatus::AwaitingPayment, 600),
            (OrderStatus::Created, 500),
            (OrderStatus::AwaitingPayment, 0),
        ]
        .into_iter()
        .map(|(status, left)| {
            let order = sample(status);
            OrderState { expires_at: order.created_at.plus(Duration::from_secs(left)), ..order }
        })
        .collect();
        let now = orders[0].created_at;
        let next = OpenHold::next_to_end(&orders, now).unwrap();
        assert_eq!((next.order, next.left, next.others), (orders[4].id, 500, 1));
        assert_eq!(OpenHold::next_to_end(&orders, now.plus(Duration::from_secs(550))).unwrap().order, orders[3].id);
        assert_eq!(OpenHold::next_to_end(&orders, now.plus(Duration::from_secs(600))), None);
        assert_eq!(OpenHold::next_to_end(&orders[..3], now), None);
    }
}
