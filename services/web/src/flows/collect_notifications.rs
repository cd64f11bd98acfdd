//! Collects a user's notifications.

use std::collections::HashMap;

use common::aggregate::Versioned;
use common::error::Error;
use common::events::order::OrderStatus;
use common::events::ticket::TicketState;
use common::id::UserId;

use crate::domain::notification::Notification;
use crate::state::AppState;
use crate::store::lists;
use crate::store::model::Replicas;

/// Maximum number of sales, of paid orders and of unpaid orders that are read.
const MAX_PER_KIND: i64 = 20;
/// Maximum number of watches that are read: more, since few watched tickets have a price drop.
const MAX_WATCHES: i64 = MAX_PER_KIND * 5;

/// The user's notifications, the latest first, and the number of unread ones.
pub(crate) async fn collect_notifications(
    state: &AppState,
    model: &Replicas,
    user: UserId,
) -> Result<(Vec<Notification>, usize), Error> {
    let now = state.clock.now();
    let unpaid = [OrderStatus::Created, OrderStatus::AwaitingPayment];
    let (sold, paid, held, watches, read_until) = tokio::try_join!(
        lists::sold_tickets(&model.tickets, user, MAX_PER_KIND),
        lists::orders_with_status(&model.orders, user, &[OrderStatus::Completed], MAX_PER_KIND),
        lists::orders_with_status(&model.orders, user, &unpaid, MAX_PER_KIND),
        state.user_data.watches_of(user, MAX_WATCHES),
        state.user_data.read_until(user),
    )?;
    let since: HashMap<_, _> = watches.iter().map(|watch| (watch.ticket, watch.since)).collect();
    let shows = paid.iter().chain(&held).map(|order| order.show_id);
    let (watched, ended, shows) = tokio::try_join!(
        lists::tickets_by_ids(&model.tickets, since.keys().copied()),
        lists::orders_ended_by_show(&model.orders, user, MAX_PER_KIND),
        lists::shows_by_ids(&model.shows, shows),
    )?;
    let mut notifications: Vec<_> = sold.iter().filter_map(|ticket| Notification::from_sale(ticket)).collect();
    let orders = paid.iter().chain(&held);
    notifications.extend(orders.clone().chain(&ended).filter_map(|order| Notification::from_order(order, now)));
    notifications.extend(orders.filter_map(|order| Notification::from_show(order, shows.get(&order.show_id)?)));
    let drop_of =
        |ticket: &Versioned<TicketState>| Notification::from_price_drop(ticket, *since.get(&ticket.terms.id)?);
    notifications.extend(watched.iter().filter_map(drop_of));
    notifications.sort_by_key(|notification| std::cmp::Reverse(notification.at));
    let is_unread = |it: &&Notification| read_until.is_none_or(|read_until| it.at > read_until);
    let unread = notifications.iter().filter(is_unread).count();
    Ok((notifications, unread))
}
