//! Collects what a user is told: notifications, and the hold to pay for.

use std::collections::{BTreeMap, HashMap};

use common::aggregate::Versioned;
use common::error::Error;
use common::events::order::OrderStatus;
use common::events::show::ShowState;
use common::id::{ShowId, TicketId, UserId};
use common::timestamp::Timestamp;

use crate::domain::notification::Notification;
use crate::domain::open_hold::OpenHold;
use crate::domain::show_watch::{ShowWatch, is_open};
use crate::state::AppState;
use crate::store::model::Replicas;
use crate::store::user_data::Watch;
use crate::store::{duplicate_seats, lists, offers};

/// Maximum number of sales, of paid orders, of unpaid orders and of open listings that are read.
const MAX_PER_KIND: i64 = 20;
/// Maximum number of watches that are read: more, since there is nothing to tell of most watched tickets.
const MAX_WATCHES: i64 = MAX_PER_KIND * 5;
/// Maximum number of listings of watched shows that are read, and of ended holds on them: more, since there is nothing
/// to tell of those that were only edited.
const MAX_LISTINGS: i64 = MAX_PER_KIND * 3;

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
    let (sold, listed_twice, paid, held, watches, show_watches, read_until) = tokio::try_join!(
        lists::sold_tickets(&model.tickets, user, MAX_PER_KIND),
        duplicate_seats::duplicates_of_seller(model, user, now, MAX_PER_KIND),
        lists::orders_with_status(&model.orders, user, &[OrderStatus::Completed], MAX_PER_KIND),
        lists::orders_with_status(&model.orders, user, &unpaid, MAX_PER_KIND),
        state.user_data.watches_of(user, MAX_WATCHES),
        state.show_watches.of(user),
        state.user_data.read_until(user),
    )?;
    let watches: HashMap<_, _> = watches.into_iter().map(|watch| (watch.ticket, watch)).collect();
    let shows = paid.iter().chain(&held).map(|order| order.show_id);
    let shows = shows.chain(show_watches.iter().map(|watch| watch.show));
    let seats = sold.iter().flat_map(|ticket| &ticket.seats);
    let sales: Vec<_> = seats.filter_map(|seat| seat.order_id).collect();
    let (watched, ended, sales, shows) = tokio::try_join!(
        lists::tickets_by_ids(&model.tickets, watches.keys().copied()),
        lists::orders_ended_by_show(&model.orders, user, MAX_PER_KIND),
        lists::orders_by_ids(&model.orders, sales),
        lists::shows_by_ids(&model.shows, shows),
    )?;
    let mut notifications: Vec<_> = sold.iter().flat_map(|it| Notification::from_sales(it, &sales)).collect();
    let twice = listed_twice.iter().filter_map(|it| Notification::from_duplicates(&it.ticket, &it.listings, now));
    notifications.extend(twice);
    let orders = paid.iter().chain(&held);
    notifications.extend(orders.clone().chain(&ended).filter_map(|order| Notification::from_order(order, now)));
    notifications.extend(orders.filter_map(|order| Notification::from_show(order, shows.get(&order.show_id)?)));
    for ticket in &watched {
        let Some(watch) = watches.get(&ticket.terms.id) else { continue };
        notifications.extend(Notification::from_price_drop(ticket, watch.since));
        notifications.extend(Notification::from_release(ticket, watch.since, watch.freed, now));
    }
    let watched_shows = WatchedShows { watches: &show_watches, shows: &shows, tickets: &watches };
    notifications.extend(watched_shows.collect(model, user, now).await?);
    notifications.sort_by_key(|notification| std::cmp::Reverse(notification.at));
    let is_unread = |it: &&Notification| read_until.is_none_or(|read_until| it.at > read_until);
    let unread = notifications.iter().filter(is_unread).count();
    let hold = OpenHold::next_to_end(held.iter().map(|order| &order.state), now);
    Ok(News { notifications, unread, hold })
}

/// What a user watches, with the shows that the watched ones are or were merged into.
struct WatchedShows<'a> {
    watches: &'a [ShowWatch],
    shows: &'a BTreeMap<ShowId, Versioned<ShowState>>,
    tickets: &'a HashMap<TicketId, Watch>,
}

impl WatchedShows<'_> {
    /// Collects the news of the listings of these shows. Those that the user also watches themselves are left out,
    /// because that watch reports them.
    async fn collect(&self, model: &Replicas, user: UserId, now: Timestamp) -> Result<Vec<Notification>, Error> {
        let open = self.watches.iter().filter_map(|watch| {
            let show = self.shows.get(&watch.show)?;
            is_open(show, now).then_some((watch, show.id))
        });
        let open: Vec<(&ShowWatch, ShowId)> = open.collect();
        let Some(since) = open.iter().map(|(watch, _)| watch.since).min() else { return Ok(Vec::new()) };
        let mut listings = offers::watched_listings(model, user, &open, MAX_LISTINGS).await?;
        listings.retain(|ticket| !self.tickets.contains_key(&ticket.terms.id));
        let freed = lists::freed_tickets(&model.orders, &listings, since, MAX_LISTINGS).await?;
        let told = listings.iter().filter_map(|ticket| {
            let freed = freed.get(&ticket.terms.id).copied();
            let is_of = |watch: &ShowWatch, present| [watch.show, present].contains(&ticket.show_id);
            let mut watches = open.iter().filter(|(watch, present)| is_of(watch, *present));
            watches.find_map(|(watch, _)| Notification::from_watched_show(ticket, watch, freed, now))
        });
        Ok(told.collect())
    }
}
