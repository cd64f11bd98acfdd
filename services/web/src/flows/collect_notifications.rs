//! Collects what a user is told: notifications, and the hold to pay for.

use std::collections::HashMap;

use common::error::Error;
use common::events::order::OrderStatus;
use common::id::UserId;

use crate::domain::notification::Notification;
use crate::domain::open_hold::OpenHold;
use crate::state::AppState;
use crate::store::lists;
use crate::store::model::Replicas;

/// Maximum number of sales, of paid orders and of unpaid orders that are read.
const MAX_PER_KIND: i64 = 20;
/// Maximum number of watches that are read: more, since there is nothing to tell of most watched tickets.
const MAX_WATCHES: i64 = MAX_PER_KIND * 5;

/// What a user is told.
pub(crate) struct News {
    /// The latest first.
    pub notifications: Vec<Notification>,
    /// Number of unread notifications.
    pub unread: usize,
    /// The hold to pay for next.
    pub hold: Option<OpenHold>,
}

/// Collects the user's notifications, and the hold to pay for, which comes of the same read of unpaid orders.
pub(crate) async fn collect_notifications(state: &AppState, model: &Replicas, user: UserId) -> Result<News, Error> {
    let now = state.clock.now();
    let unpaid = [OrderStatus::Created, OrderStatus::AwaitingPayment];
    let (sold, paid, held, watches, read_until) = tokio::try_join!(
        lists::sold_tickets(&model.tickets, user, MAX_PER_KIND),
        lists::orders_with_status(&model.orders, user, &[OrderStatus::Completed], MAX_PER_KIND),
        lists::orders_with_status(&model.orders, user, &unpaid, MAX_PER_KIND),
        state.user_data.watches_of(user, MAX_WATCHES),
        state.user_data.read_until(user),
    )?;
    let watches: HashMap<_, _> = watches.into_iter().map(|watch| (watch.ticket, watch)).collect();
    let shows = paid.iter().chain(&held).map(|order| order.show_id);
    let (watched, ended, shows) = tokio::try_join!(
        lists::tickets_by_ids(&model.tickets, watches.keys().copied()),
        lists::orders_ended_by_show(&model.orders, user, MAX_PER_KIND),
        lists::shows_by_ids(&model.shows, shows),
    )?;
    let mut notifications: Vec<_> = sold.iter().filter_map(|ticket| Notification::from_sale(ticket)).collect();
    let orders = paid.iter().chain(&held);
    notifications.extend(orders.clone().chain(&ended).filter_map(|order| Notification::from_order(order, now)));
    notifications.extend(orders.filter_map(|order| Notification::from_show(order, shows.get(&order.show_id)?)));
    for ticket in &watched {
        let Some(watch) = watches.get(&ticket.terms.id) else { continue };
        notifications.extend(Notification::from_price_drop(ticket, watch.since));
        notifications.extend(Notification::from_release(ticket, watch.since, watch.freed, now));
    }
    notifications.sort_by_key(|notification| std::cmp::Reverse(notification.at));
    let is_unread = |it: &&Notification| read_until.is_none_or(|read_until| it.at > read_until);
    let unread = notifications.iter().filter(is_unread).count();
    let hold = OpenHold::next_to_end(held.iter().map(|order| &order.state), now);
    Ok(News { notifications, unread, hold })
}
