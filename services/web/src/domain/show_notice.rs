//! The notice for a buyer whose show is cancelled or moved.

use common::events::order::{OrderState, OrderStatus};
use common::events::payment::{PaymentState, PaymentStatus};
use common::events::show::{ShowState, ShowStatus};
use common::timestamp::Timestamp;

use super::listing_view::place;
use super::moment::Moment;
use super::order_view::{Badge, OrderView};
use crate::i18n::msg;

/// How the show of an order differs from what its buyer agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ShowNotice {
    /// The show is cancelled.
    Cancelled {
        /// Why.
        reason: String,
    },
    /// The show takes place at another time or place than the order says.
    Moved {
        /// The present start.
        starts_at: Moment,
        /// The present place.
        place: String,
    },
}

impl ShowNotice {
    /// The notice for an order of this show; `None` if the show takes place as the order says, or if the order is
    /// cancelled.
    pub(crate) fn of(order: &OrderState, show: &ShowState) -> Option<Self> {
        if order.status == OrderStatus::Cancelled {
            return None;
        }
        if show.status == ShowStatus::Cancelled {
            return Some(Self::Cancelled { reason: show.cancel_reason.clone().unwrap_or_default() });
        }
        let terms = &order.ticket;
        let present = place(&show.venue, show.city.as_deref());
        let is_elsewhere = present.to_lowercase() != place(&terms.venue, terms.city.as_deref()).to_lowercase();
        // A listing may spell the place in another way than its show, and may have seconds in its time.
        let is_moved =
            minute(show.starts_at) != minute(terms.starts_at) || (show.status == ShowStatus::Moved && is_elsewhere);
        is_moved.then(|| Self::Moved { starts_at: Moment::new(show.starts_at, &show.time_zone), place: present })
    }

    /// The notice as a sentence about the show with this title.
    pub(crate) fn sentence(&self, title: &str) -> String {
        match self {
            Self::Cancelled { .. } => msg::show_notice_cancelled_title(title),
            Self::Moved { starts_at, place } => msg::show_notice_moved_title(place, title, &starts_at.text),
        }
    }

    /// The view of an order with this notice: no paid order of a cancelled show is the buyer's ticket.
    pub(crate) fn amend(&self, view: OrderView, order: &OrderState, payments: &[PaymentState]) -> OrderView {
        if !self.is_cancelled() || order.status != OrderStatus::Completed {
            return view;
        }
        let is_own = |payment: &&PaymentState| Some(payment.id) == order.payment_id;
        let payment = payments.iter().find(is_own).filter(|payment| payment.status == PaymentStatus::Captured);
        let status_text = match payment {
            Some(payment) if payment.is_refunded() => msg::show_notice_refunded(),
            _ => msg::show_notice_refunding(),
        };
        let badge = Badge { text: msg::show_notice_badge(), class: "over" };
        OrderView { badge, status_text, has_pass: false, ..view }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled { .. })
    }
}

fn minute(time: Timestamp) -> i64 {
    time.as_seconds().div_euclid(60)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use common::events::payment::Refunded;

    use super::*;
    use crate::domain::order_view::tests::{payment, sample};
    use crate::i18n::testing::in_german;

    /// The show of an order, as the order says.
    pub(crate) fn show_of(order: &OrderState, status: ShowStatus) -> ShowState {
        let terms = order.ticket.clone();
        ShowState {
            id: order.show_id,
            title: terms.title,
            venue: terms.venue,
            city: terms.city,
            country: None,
            starts_at: terms.starts_at,
            ends_at: None,
            time_zone: terms.time_zone,
            category: None,
            status,
            cancel_reason: (status == ShowStatus::Cancelled).then(|| "The singer is ill.".to_owned()),
            merged_into: None,
            created_at: order.created_at,
            updated_at: order.updated_at,
        }
    }

    #[test]
    fn buyer_is_told_what_differs_from_the_order() {
        let order = sample(OrderStatus::Completed);
        let moved = show_of(&order, ShowStatus::Moved);
        assert_eq!(ShowNotice::of(&order, &show_of(&order, ShowStatus::Scheduled)), None);
        assert_eq!(ShowNotice::of(&order, &moved), None, "the order was placed after the move");
        let seconds = ShowState { starts_at: moved.starts_at.plus(Duration::from_secs(1)), ..moved.clone() };
        assert_eq!(ShowNotice::of(&order, &seconds), None);
        let spelled = ShowState { venue: moved.venue.to_uppercase(), ..moved.clone() };
        assert_eq!(ShowNotice::of(&order, &spelled), None);

        let later = ShowState { starts_at: moved.starts_at.plus(Duration::from_secs(3600)), ..moved.clone() };
        let elsewhere = ShowState { venue: "Old Vic".to_owned(), city: Some("London".to_owned()), ..later.clone() };
        let notice = ShowNotice::of(&order, &elsewhere).unwrap();
        let when = Moment::new(later.starts_at, &later.time_zone).text;
        assert_eq!(notice.sentence("Jazz"), format!("Moved: Jazz is now on {when}, at Old Vic, London."));
        let german = in_german(|| notice.sentence("Jazz"));
        assert!(
            german.starts_with("Verlegt: Jazz. Neuer Termin: ") && german.ends_with("Ort: Old Vic, London."),
            "{german}"
        );
        // A merge brings the time of the other show, and its spelling.
        let merged = ShowState { status: ShowStatus::Scheduled, ..elsewhere.clone() };
        assert!(ShowNotice::of(&order, &merged).is_some());
        let merged = ShowState { starts_at: moved.starts_at, ..merged };
        assert_eq!(ShowNotice::of(&order, &merged), None);

        let cancelled = show_of(&order, ShowStatus::Cancelled);
        let notice = ShowNotice::of(&order, &cancelled).unwrap();
        assert_eq!(notice.sentence("Jazz"), "Cancelled: Jazz will not take place.");
        assert_eq!(ShowNotice::of(&OrderState { status: OrderStatus::Cancelled, ..order }, &cancelled), None);
    }

    #[test]
    fn paid_order_of_a_cancelled_show_is_given_back() {
        let notice = ShowNotice::Cancelled { reason: String::new() };
        let mut order = sample(OrderStatus::Completed);
        let mut paid = payment(&order, PaymentStatus::Captured, 2);
        order.payment_id = Some(paid.id);
        let amended = |order: &OrderState, payment: &PaymentState| {
            notice.amend(OrderView::new(order, &[]), order, std::slice::from_ref(payment))
        };
        let text = |order: &OrderState, payment: &PaymentState| amended(order, payment).status_text;
        assert_eq!(text(&order, &paid), "The show has been cancelled. You will get a full refund.");
        assert!(OrderView::new(&order, &[]).has_pass && !amended(&order, &paid).has_pass);
        paid.refunded = Some(Refunded { amount: paid.amount.clone(), at: order.updated_at });
        assert_eq!(text(&order, &paid), "The show has been cancelled. The full amount has been refunded.");
        order.status = OrderStatus::AwaitingPayment;
        assert_eq!(text(&order, &paid), OrderView::new(&order, &[]).status_text);
    }
}
