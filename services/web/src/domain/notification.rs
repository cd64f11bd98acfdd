//! Notifications, derived from the read model. They are not stored, so none can be lost, and a rebuild of the read
//! model restores them.

use std::collections::BTreeMap;
use std::time::Duration;

use common::events::order::{CancelReason, OrderState, OrderStatus};
use common::events::show::ShowState;
use common::events::ticket::{TicketState, TicketStatus};
use common::id::OrderId;
use common::timestamp::Timestamp;

use super::duplicate_seats::DuplicateSeats;
use super::moment::Moment;
use super::order_number::OrderNumber;
use super::show_notice::ShowNotice;
use super::show_watch::ShowWatch;
use crate::i18n::msg;
use crate::i18n::price::format_price;

/// How long before its expiry a hold is reported to end soon.
const EXPIRY_WARNING: Duration = Duration::from_secs(180);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notification {
    pub at: Timestamp,
    pub text: String,
    /// URL path of the subject.
    pub link: String,
}

impl Notification {
    /// Reports each sale of seats of the user's listing. Of an order that is not known yet, the listing tells the rest.
    pub(crate) fn from_sales(ticket: &TicketState, orders: &BTreeMap<OrderId, OrderState>) -> Vec<Self> {
        let mut sales: BTreeMap<OrderId, usize> = BTreeMap::new();
        for seat in ticket.seats.iter().filter(|seat| seat.status == TicketStatus::Sold) {
            if let Some(order) = seat.order_id {
                *sales.entry(order).or_default() += 1;
            }
        }
        let (title, all) = (&ticket.terms.title, ticket.seats.len());
        let sale = |(order, seats): (OrderId, usize)| {
            let order = orders.get(&order);
            let price = order.map(|order| order.price.clone()).or_else(|| ticket.price.times(seats));
            let text = match price.as_ref().map(format_price) {
                Some(price) if all == 1 => msg::notification_sold(price, title),
                Some(price) => msg::notification_sold_seats(all, price, seats, title),
                None if all == 1 => msg::notification_sold_unpriced(title),
                None => msg::notification_sold_seats_unpriced(all, seats, title),
            };
            Self {
                at: order.map_or(ticket.updated_at, |order| order.updated_at),
                text,
                link: format!("/tickets/{}", ticket.terms.id),
            }
        };
        sales.into_iter().map(sale).collect()
    }

    /// Reports that seats of the user's listing are in another one too.
    pub(crate) fn from_duplicates(ticket: &TicketState, listings: &[TicketState], now: Timestamp) -> Option<Self> {
        let found = DuplicateSeats::find(ticket, listings, now)?;
        Some(Self { at: found.since, text: found.summary(), link: format!("/tickets/{}", ticket.terms.id) })
    }

    /// Reports that the user's order is paid, that its hold ends soon, or that it ended with its show.
    pub(crate) fn from_order(order: &OrderState, now: Timestamp) -> Option<Self> {
        let (id, number, title) = (order.id, OrderNumber::of(order.id).to_string(), &order.ticket.title);
        match order.status {
            OrderStatus::Completed => Some(Self {
                at: order.updated_at,
                text: msg::notification_paid(order.slots.len(), number, format_price(&order.price), title),
                link: format!("/orders/{id}"),
            }),
            OrderStatus::Created | OrderStatus::AwaitingPayment => {
                let from = order.expires_at.minus(EXPIRY_WARNING).max(order.created_at);
                let is_soon = from <= now && now < order.expires_at;
                is_soon.then(|| Self {
                    at: from,
                    text: msg::notification_hold_ends(number, title),
                    link: format!("/checkout/{id}"),
                })
            }
            OrderStatus::Cancelled if order.cancel_reason == Some(CancelReason::ShowCancelled) => Some(Self {
                at: order.updated_at,
                text: msg::notification_show_cancelled(title),
                link: format!("/orders/{id}"),
            }),
            OrderStatus::Authorized | OrderStatus::Cancelled => None,
        }
    }

    /// Reports that the show of the user's order is cancelled or moved.
    pub(crate) fn from_show(order: &OrderState, show: &ShowState) -> Option<Self> {
        let text = ShowNotice::of(order, show)?.sentence(&order.ticket.title);
        Some(Self { at: show.updated_at, text, link: format!("/orders/{}", order.id) })
    }

    /// Reports a price drop after `since`, when the user started to watch the ticket, while the ticket is for sale.
    pub(crate) fn from_price_drop(ticket: &TicketState, since: Timestamp) -> Option<Self> {
        let drop = ticket.price_drop.as_ref().filter(|drop| drop.at > since)?;
        let for_sale = ticket.status == TicketStatus::Available && !ticket.show_cancelled;
        for_sale.then(|| Self {
            at: drop.at,
            text: msg::notification_price_drop(
                format_price(&ticket.price),
                format_price(&drop.from),
                &ticket.terms.title,
            ),
            link: format!("/tickets/{}", ticket.terms.id),
        })
    }

    /// Reports that a hold ended at `freed`, before which no seat was free, after the user started to watch the ticket,
    /// while the ticket is for sale.
    pub(crate) fn from_release(
        ticket: &TicketState,
        since: Timestamp,
        freed: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Self> {
        let at = freed.filter(|freed| *freed > since)?;
        is_for_sale(ticket, now).then(|| Self {
            at,
            text: msg::notification_available_again(format_price(&ticket.price), &ticket.terms.title),
            link: format!("/tickets/{}", ticket.terms.id),
        })
    }

    /// Reports a listing of a watched show, while it is for sale at a price that the watch admits: that it was added,
    /// became cheaper, or is free again since a hold on all that was left ended at `freed`. The latest of these counts,
    /// if it happened after the watch began.
    pub(crate) fn from_watched_show(
        ticket: &TicketState,
        watch: &ShowWatch,
        freed: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Self> {
        if !is_for_sale(ticket, now) || !watch.admits(&ticket.price) {
            return None;
        }
        let (title, price) = (&ticket.terms.title, format_price(&ticket.price));
        let listed = Some((ticket.created_at, msg::notification_show_listed(&price, title)));
        let cheaper = ticket.price_drop.as_ref().map(|drop| {
            let old = format_price(&drop.from);
            (drop.at, msg::notification_show_cheaper(old, &price, title))
        });
        let freed = freed.map(|at| (at, msg::notification_show_available(&price, title)));
        let (at, text) = [listed, cheaper, freed].into_iter().flatten().max_by_key(|(at, _)| *at)?;
        (at > watch.since).then(|| Self { at, text, link: format!("/tickets/{}", ticket.terms.id) })
    }

    /// The time on the reader's clock.
    pub(crate) fn moment(&self) -> Moment {
        Moment::for_reader(self.at)
    }
}

fn is_for_sale(ticket: &TicketState, now: Timestamp) -> bool {
    ticket.status == TicketStatus::Available && !ticket.show_cancelled && now < ticket.terms.starts_at
}

#[cfg(test)]
mod tests {
    use common::events::show::ShowStatus;
    use common::events::ticket::PriceDrop;
    use common::money::Money;

    use super::*;
    use crate::domain::order_view::tests::{pair, sample};
    use crate::domain::seats::tests::{sample as listing, six_seats};
    use crate::domain::show_notice::tests::show_of;
    use crate::i18n::testing::in_german;

    #[test]
    fn watcher_is_not_told_of_a_ticket_of_a_cancelled_show() {
        let mut ticket = listing();
        let since = ticket.created_at;
        let at = since.plus(Duration::from_secs(60));
        ticket.price_drop = Some(PriceDrop { from: ticket.price.clone(), at });
        let told = |ticket: &TicketState| {
            let drop = Notification::from_price_drop(ticket, since);
            (drop.is_some(), Notification::from_release(ticket, since, Some(at), at).is_some())
        };
        assert_eq!(told(&ticket), (true, true));
        ticket.show_cancelled = true;
        assert_eq!(told(&ticket), (false, false));
    }

    #[test]
    fn watcher_of_a_show_is_told_the_latest_news_of_each_listing() {
        let mut ticket = listing();
        let time = |seconds| ticket.created_at.plus(Duration::from_secs(seconds));
        let times = [1, 2, 3, 4].map(time);
        let [drop_at, freed, later, now] = times;
        let mut watch = ShowWatch { show: ticket.show_id, since: ticket.created_at, max: None };
        let told = |ticket: &TicketState, watch: &ShowWatch, freed, now| {
            Notification::from_watched_show(ticket, watch, freed, now).map(|told| (told.at, told.text))
        };
        let text = |end: &str| format!("A ticket for Jazz & <b>Blues</b> at $125.50 {end}.");
        assert_eq!(told(&ticket, &watch, None, now), None, "it was listed before");
        watch.since = ticket.created_at.minus(Duration::from_secs(1));
        assert_eq!(told(&ticket, &watch, None, now), Some((ticket.created_at, text("was listed"))));
        let from = Money { amount: 15_000, ..ticket.price.clone() };
        ticket.price_drop = Some(PriceDrop { from, at: drop_at });
        let cheaper = "A ticket for Jazz & <b>Blues</b> is cheaper now: $125.50, was $150.00.";
        let expected = Some((drop_at, cheaper.to_owned()));
        assert_eq!(told(&ticket, &watch, None, now), expected);
        ticket.updated_at = later;
        assert_eq!(told(&ticket, &watch, None, now), expected, "an edit is no news");
        assert_eq!(told(&ticket, &watch, Some(freed), now), Some((freed, text("is available again"))));
        watch.max = Some(Money { amount: 12_549, ..ticket.price.clone() });
        assert_eq!(told(&ticket, &watch, None, now), None, "it is too expensive");
        watch.max = Some(ticket.price.clone());
        assert_eq!(told(&ticket, &watch, None, now), expected);
        assert_eq!(told(&ticket, &watch, None, ticket.terms.starts_at), None, "the show has begun");
        ticket.show_cancelled = true;
        assert_eq!(told(&ticket, &watch, None, now), None);
    }

    #[test]
    fn seller_hears_of_each_sale_once() {
        let (first, mut ticket) = (pair(OrderStatus::Completed), six_seats(&[2, 2, 2]));
        let second = OrderId::new();
        for (slot, order) in [(0, first.id), (1, first.id), (4, second), (5, second)] {
            (ticket.seats[slot].status, ticket.seats[slot].order_id) = (TicketStatus::Sold, Some(order));
        }
        // A later edit of the price is not of the sale.
        ticket.price.amount = 20_000;
        let orders = BTreeMap::from([(first.id, first.clone())]);
        let told: Vec<_> = Notification::from_sales(&ticket, &orders).into_iter().map(|it| (it.at, it.text)).collect();
        let text = |price: &str| format!("Sold: 2 of 6 seats for Jazz & <b>Blues</b> for ${price}.");
        assert_eq!(told, [(first.updated_at, text("251.00")), (ticket.updated_at, text("400.00"))]);
        assert!(Notification::from_sales(&six_seats(&[6]), &orders).is_empty());
    }

    #[test]
    fn buyer_hears_of_a_cancelled_show() {
        let paid = sample(OrderStatus::Completed);
        let heard = Notification::from_show(&paid, &show_of(&paid, ShowStatus::Cancelled)).unwrap();
        assert!(heard.text.ends_with("will not take place."), "{}", heard.text);
        assert_eq!(heard.link, format!("/orders/{}", paid.id));
        assert_eq!(Notification::from_show(&paid, &show_of(&paid, ShowStatus::Scheduled)), None);
        let mut ended = sample(OrderStatus::Cancelled);
        assert_eq!(Notification::from_order(&ended, ended.updated_at), None);
        ended.cancel_reason = Some(CancelReason::ShowCancelled);
        let heard = Notification::from_order(&ended, ended.updated_at).unwrap();
        assert!(heard.text.ends_with("Your hold has ended."), "{}", heard.text);
    }

    #[test]
    fn texts_are_in_the_readers_language() {
        let (bought, held) = (pair(OrderStatus::Completed), sample(OrderStatus::AwaitingPayment));
        let mut ended = sample(OrderStatus::Cancelled);
        ended.cancel_reason = Some(CancelReason::ShowCancelled);
        let mut ticket = listing();
        let (since, drop_at) = (ticket.created_at, ticket.created_at.plus(Duration::from_secs(1)));
        ticket.price_drop = Some(PriceDrop { from: Money { amount: 15_000, ..ticket.price.clone() }, at: drop_at });
        let now = drop_at.plus(Duration::from_secs(1));
        let watch = ShowWatch { show: ticket.show_id, since, max: None };
        let mut sold = six_seats(&[6]);
        (sold.seats[0].status, sold.seats[0].order_id) = (TicketStatus::Sold, Some(OrderId::new()));
        let told = in_german(|| {
            let mut told = Notification::from_sales(&sold, &BTreeMap::new());
            told.extend([
                Notification::from_order(&bought, now).unwrap(),
                Notification::from_order(&held, held.created_at.max(held.expires_at.minus(EXPIRY_WARNING))).unwrap(),
                Notification::from_order(&ended, now).unwrap(),
                Notification::from_price_drop(&ticket, since).unwrap(),
                Notification::from_release(&ticket, since, Some(now), now).unwrap(),
                Notification::from_watched_show(&ticket, &watch, None, now).unwrap(),
                Notification::from_watched_show(&ticket, &watch, Some(now), now).unwrap(),
            ]);
            told.into_iter().map(|it| it.text).collect::<Vec<_>>()
        });
        let title = "Jazz & <b>Blues</b>";
        let number = OrderNumber::of(bought.id);
        let expected = [
            format!("Verkauft: 1 von 6 Plätzen für {title} zum Preis von 125,50\u{a0}$."),
            format!("Bezahlt: Deine 2 Plätze für {title}, 251,00\u{a0}$. Bestellung {number}."),
            format!(
                "Deine Reservierung für {title} läuft gleich ab. Bezahle jetzt, um sie zu behalten. Bestellung {}.",
                OrderNumber::of(held.id)
            ),
            format!("Abgesagt: {title} findet nicht statt. Deine Reservierung ist beendet."),
            format!("Preis gesenkt: {title} kostet jetzt 125,50\u{a0}$ statt 150,00\u{a0}$."),
            format!("Wieder verfügbar: {title} für 125,50\u{a0}$."),
            format!("Günstiger: ein Ticket für {title} jetzt für 125,50\u{a0}$ statt 150,00\u{a0}$."),
            format!("Wieder verfügbar: ein Ticket für {title} zum Preis von 125,50\u{a0}$."),
        ];
        assert_eq!(told, expected);
    }
}
