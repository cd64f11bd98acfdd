//! The buyer's view of an order: its status and its timeline.

use common::events::order::{CancelReason, OrderState, OrderStatus};
use common::events::payment::{PaymentState, PaymentStatus};
use common::events::ticket::RefusalReason;
use common::timestamp::Timestamp;

use super::listing_view::place;
use super::moment::Moment;
use super::order_number::OrderNumber;
use super::seats::{place_of_seats, sum};
use crate::i18n::msg;
use crate::i18n::price::format_price;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OrderView {
    pub id: String,
    /// The short number: `TK-7F3K-29`.
    pub number: String,
    pub ticket: String,
    pub title: String,
    pub place: String,
    pub starts_at: Moment,
    /// The seats; empty if the only one is unknown.
    pub seat: String,
    /// Number of seats.
    pub quantity: usize,
    /// The total.
    pub price: String,
    /// `2 × €46.00 = €92.00`, or the total for one seat.
    pub sum: String,
    pub badge: Badge,
    pub status_text: String,
    /// Whether it has a pass: it is paid, and its show is not cancelled.
    pub has_pass: bool,
    /// When the hold ends; `None` once the order is paid or closed.
    pub expires_at: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Badge {
    pub text: String,
    /// CSS class of the colour. The text alone conveys the same information.
    pub class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimelineEntry {
    /// When it happened; `None` for the current status.
    pub at: Option<Moment>,
    pub what: String,
}

impl OrderView {
    pub(crate) fn new(order: &OrderState, payments: &[PaymentState]) -> Self {
        let terms = &order.ticket;
        let names: Vec<_> = order.seats.iter().map(Option::as_deref).collect();
        Self {
            id: order.id.to_string(),
            number: OrderNumber::of(order.id).to_string(),
            ticket: terms.id.to_string(),
            title: terms.title.clone(),
            place: place(&terms.venue, terms.city.as_deref()),
            starts_at: Moment::new(terms.starts_at, &terms.time_zone),
            seat: place_of_seats(terms.section.as_deref(), terms.row.as_deref(), &names),
            quantity: order.slots.len(),
            price: format_price(&order.price),
            sum: sum(order.slots.len(), &order.unit_price),
            badge: badge(order),
            status_text: status_text(order, payments),
            has_pass: order.status == OrderStatus::Completed,
            expires_at: is_unpaid(order).then(|| buyers_moment(order, order.expires_at)),
        }
    }
}

/// The timeline of an order, oldest entry first; payments of other orders are ignored. The last entry of an open order
/// is its current status, without a time.
pub(crate) fn timeline(order: &OrderState, payments: &[PaymentState]) -> Vec<TimelineEntry> {
    let mut happened = vec![(order.created_at, msg::order_step_held(order.slots.len()))];
    let mut refunds = Vec::new();
    for payment in payments.iter().filter(|payment| payment.order_id == order.id) {
        // A refund is a separate entry, so the time of the charge must not be that of the refund.
        let refunded = payment.refunded.as_ref();
        let paid_at = refunded.and(payment.authorized_at).unwrap_or(payment.updated_at);
        happened.push((paid_at, payment_sentence(payment)));
        refunds
            .extend(refunded.map(|refunded| (refunded.at, msg::order_step_refunded(format_price(&refunded.amount)))));
    }
    // A stable sort: entries of the same millisecond keep their order.
    happened.sort_by_key(|(at, _)| *at);
    let is_final = order.status.is_final();
    if is_final {
        happened.push((order.updated_at, status_text(order, payments)));
    }
    happened.extend(refunds);
    let entry = |(at, what)| TimelineEntry { at: Some(buyers_moment(order, at)), what };
    let mut entries: Vec<_> = happened.into_iter().map(entry).collect();
    if !is_final {
        entries.push(TimelineEntry { at: None, what: status_text(order, payments) });
    }
    entries
}

/// A time of the order on the buyer's clock. Only the time of the show is in the venue's time zone.
fn buyers_moment(order: &OrderState, at: Timestamp) -> Moment {
    Moment::for_reader_or_in(at, &order.ticket.time_zone)
}

/// Whether the order is unpaid and still holds the ticket.
pub(crate) fn is_unpaid(order: &OrderState) -> bool {
    matches!(order.status, OrderStatus::Created | OrderStatus::AwaitingPayment)
}

fn badge(order: &OrderState) -> Badge {
    let (text, class) = match order.status {
        OrderStatus::Created => (msg::order_badge_created(), "busy"),
        OrderStatus::AwaitingPayment => (msg::order_badge_awaiting_payment(), "due"),
        OrderStatus::Authorized => (msg::order_badge_authorized(), "busy"),
        OrderStatus::Completed => (msg::order_badge_completed(), "good"),
        OrderStatus::Cancelled if order.cancel_reason == Some(CancelReason::Expired) => {
            (msg::order_badge_expired(), "over")
        }
        OrderStatus::Cancelled => (msg::order_badge_cancelled(), "over"),
    };
    Badge { text, class }
}

/// The status of an order in a sentence.
fn status_text(order: &OrderState, payments: &[PaymentState]) -> String {
    let why = match order.status {
        OrderStatus::Created => return msg::order_status_created(),
        OrderStatus::AwaitingPayment => return msg::order_status_awaiting_payment(),
        OrderStatus::Authorized => return msg::order_status_authorized(),
        OrderStatus::Completed => return msg::order_status_completed(order.slots.len()),
        OrderStatus::Cancelled => match order.cancel_reason {
            Some(CancelReason::Expired) => msg::order_status_expired(),
            Some(CancelReason::PaymentFailed) => msg::order_status_payment_failed(),
            Some(CancelReason::Refused) => refusal_sentence(order),
            Some(CancelReason::ShowCancelled) => msg::order_status_show_cancelled(),
            Some(CancelReason::Buyer) | None => msg::order_status_cancelled(),
        },
    };
    let is_captured =
        |payment: &&PaymentState| payment.order_id == order.id && payment.status == PaymentStatus::Captured;
    let charge = match payments.iter().find(is_captured) {
        // A disputed charge is not refunded: the bank decides.
        Some(payment) if payment.disputed && !payment.is_refunded() => msg::order_charge_disputed(),
        Some(_) => msg::order_charge_refunded(),
        None => msg::order_charge_none(),
    };
    format!("{why} {charge}")
}

fn refusal_sentence(order: &OrderState) -> String {
    let refusal = order.refusal.as_ref();
    match refusal.map(|refusal| refusal.reason) {
        Some(RefusalReason::Withdrawn) => msg::order_status_withdrawn(),
        Some(RefusalReason::Begun) => msg::order_status_begun(),
        Some(RefusalReason::PriceChanged) => match refusal.and_then(|refusal| refusal.price.as_ref()) {
            Some(price) => msg::order_status_new_price(order.slots.len(), format_price(price)),
            None => msg::order_status_price_changed(),
        },
        Some(RefusalReason::TermsChanged) => msg::order_status_terms_changed(),
        Some(RefusalReason::ShowCancelled) => msg::order_status_show_cancelled(),
        None => msg::order_status_unavailable(),
    }
}

/// The status of a payment in a sentence.
fn payment_sentence(payment: &PaymentState) -> String {
    let amount = format_price(&payment.amount);
    match payment.status {
        PaymentStatus::Authorizing => msg::order_step_payment_started(amount),
        PaymentStatus::RequiresAction => msg::order_step_confirm(amount),
        PaymentStatus::Authorized => msg::order_step_authorized(amount),
        PaymentStatus::Captured => msg::order_step_charged(amount),
        PaymentStatus::Declined if payment.decline_reason.as_deref() == Some(PaymentState::SUPERSEDED) => {
            msg::order_step_superseded()
        }
        PaymentStatus::Declined if payment.authorized_at.is_none() => msg::order_step_declined(),
        PaymentStatus::Failed => msg::order_step_failed(),
        // The buyer did not complete 3-D Secure.
        PaymentStatus::Voided if payment.authorized_at.is_none() => msg::order_step_unconfirmed(),
        PaymentStatus::Declined | PaymentStatus::Voided => msg::order_step_released(amount),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use common::events::payment::Refunded;
    use common::events::ticket::Refusal;
    use common::id::{OrderId, PaymentId, UserId};
    use common::money::Money;

    use super::*;
    use crate::domain::seats::tests::sample as ticket;

    /// An order of the first two of six seats.
    pub(crate) fn pair(status: OrderStatus) -> OrderState {
        let order = sample(status);
        let seats = ["12", "13"].map(|name| Some(name.to_owned())).into();
        let price = order.unit_price.times(2).unwrap();
        OrderState { slots: vec![0, 1], seats, price, ..order }
    }

    #[test]
    fn order_of_several_seats_names_them_and_their_sum() {
        let order = pair(OrderStatus::Completed);
        let view = OrderView::new(&order, &[]);
        assert_eq!((view.seat.as_str(), view.quantity), ("Section A, row 3, seats 12, 13", 2));
        assert_eq!((view.sum.as_str(), view.price.as_str()), ("2 × $125.50 = $251.00", "$251.00"));
        assert_eq!(view.status_text, "Paid. The tickets are yours.");
        assert_eq!(OrderView::new(&sample(OrderStatus::Completed), &[]).sum, "$125.50");
    }

    fn minute(minute: u32) -> Timestamp {
        format!("2026-01-01T10:{minute:02}:00Z").parse().unwrap()
    }

    /// An order of the sample listing.
    pub(crate) fn sample(status: OrderStatus) -> OrderState {
        let ticket = ticket();
        OrderState {
            id: OrderId::new(),
            buyer_id: UserId::new(),
            status,
            cancel_reason: None,
            refusal: None,
            payment_id: None,
            ticket: ticket.terms,
            show_id: ticket.show_id,
            slots: vec![0],
            seats: ticket.seats.into_iter().map(|seat| seat.name).collect(),
            unit_price: ticket.price.clone(),
            price: ticket.price,
            expires_at: minute(15),
            created_at: minute(0),
            updated_at: minute(9),
        }
    }

    /// A payment of the order, `at` minutes after the order was created.
    pub(crate) fn payment(order: &OrderState, status: PaymentStatus, at: u32) -> PaymentState {
        PaymentState {
            id: PaymentId::new(),
            order_id: order.id,
            buyer_id: order.buyer_id,
            status,
            amount: order.price.clone(),
            provider: "stripe".to_owned(),
            provider_ref: None,
            decline_reason: None,
            // Statuses that imply a successful authorisation.
            authorized_at: matches!(
                status,
                PaymentStatus::Authorized | PaymentStatus::Captured | PaymentStatus::Failed | PaymentStatus::Voided
            )
            .then(|| minute(at)),
            received: None,
            refunded: None,
            disputed: false,
            created_at: minute(at),
            updated_at: minute(at),
        }
    }

    #[test]
    fn timeline_is_ordered_and_ignores_other_payments() {
        let order = sample(OrderStatus::Completed);
        let payments = [
            payment(&order, PaymentStatus::Captured, 8),
            payment(&order, PaymentStatus::Declined, 5),
            payment(&sample(OrderStatus::Completed), PaymentStatus::Voided, 6),
        ];
        let entries = timeline(&order, &payments);
        let texts: Vec<_> = entries.iter().map(|entry| entry.what.as_str()).collect();
        let expected = [
            "The ticket was held for you.",
            "Your card was declined. You were not charged.",
            "Your card was charged $125.50.",
            "Paid. The ticket is yours.",
        ];
        assert_eq!(texts, expected);
        assert!(entries.iter().all(|entry| entry.at.is_some()));
    }

    #[test]
    fn voided_payment_without_authorization_mentions_no_funds() {
        let order = sample(OrderStatus::Cancelled);
        let voided = payment(&order, PaymentStatus::Voided, 5);
        assert_eq!(payment_sentence(&voided), "The $125.50 set aside on your card was released. You were not charged.");
        let unconfirmed = PaymentState { authorized_at: None, ..voided.clone() };
        assert_eq!(
            payment_sentence(&unconfirmed),
            "The payment was not confirmed with your bank. You were not charged."
        );
        let cancelled = PaymentState { status: PaymentStatus::Declined, ..voided };
        assert!(payment_sentence(&cancelled).starts_with("The $125.50 set aside on your card was released"));
    }

    #[test]
    fn refund_is_a_separate_step() {
        let mut order = sample(OrderStatus::Completed);
        order.updated_at = minute(5);
        let captured = payment(&order, PaymentStatus::Captured, 7);
        let amount = Money { amount: 2_550, currency: "USD".parse().unwrap() };
        let refunded = PaymentState {
            authorized_at: Some(minute(4)),
            refunded: Some(Refunded { amount, at: minute(7) }),
            ..captured
        };
        let texts: Vec<_> = timeline(&order, &[refunded]).into_iter().map(|entry| entry.what).collect();
        assert_eq!(
            texts[1..],
            ["Your card was charged $125.50.", "Paid. The ticket is yours.", "$25.50 was refunded."]
        );
    }

    #[test]
    fn cancelled_but_charged_order_does_not_claim_no_charge() {
        let mut order = sample(OrderStatus::Cancelled);
        order.cancel_reason = Some(CancelReason::Expired);
        let captured = payment(&order, PaymentStatus::Captured, 5);
        assert_eq!(status_text(&order, &[]), "Expired: you did not pay in time. You were not charged.");
        assert_eq!(
            status_text(&order, std::slice::from_ref(&captured)),
            "Expired: you did not pay in time. The charge is refunded in full."
        );
        let disputed = PaymentState { disputed: true, ..captured };
        assert_eq!(
            status_text(&order, &[disputed]),
            "Expired: you did not pay in time. Your bank decides on the disputed charge."
        );
    }

    #[test]
    fn last_step_of_an_open_order_is_its_status() {
        let entries = timeline(&sample(OrderStatus::Authorized), &[]);
        let texts: Vec<_> = entries.iter().map(|entry| (entry.at.is_some(), entry.what.as_str())).collect();
        assert_eq!(
            texts,
            [(true, "The ticket was held for you."), (false, "Payment in progress: your card is being charged.")]
        );
    }

    #[test]
    fn only_unpaid_orders_have_an_expiry() {
        for (status, has_expiry) in [
            (OrderStatus::Created, true),
            (OrderStatus::AwaitingPayment, true),
            (OrderStatus::Authorized, false),
            (OrderStatus::Completed, false),
            (OrderStatus::Cancelled, false),
        ] {
            assert_eq!(OrderView::new(&sample(status), &[]).expires_at.is_some(), has_expiry, "{status:?}");
        }
    }

    #[test]
    fn cancelled_order_gives_its_reason() {
        let mut order = sample(OrderStatus::Cancelled);
        let mut text = |reason, refusal| {
            order.cancel_reason = Some(reason);
            order.refusal = refusal;
            status_text(&order, &[])
        };
        assert!(text(CancelReason::Expired, None).starts_with("Expired:"));
        assert!(text(CancelReason::PaymentFailed, None).contains("payment failed"));
        assert_eq!(text(CancelReason::Buyer, None), "Cancelled. You were not charged.");
        let price = Money { amount: 15_000, currency: "USD".parse().unwrap() };
        let refusal = Refusal { reason: RefusalReason::PriceChanged, price: Some(price) };
        assert!(text(CancelReason::Refused, Some(refusal)).contains("now $150.00"));
        let refusal = Refusal { reason: RefusalReason::Begun, price: None };
        assert!(text(CancelReason::Refused, Some(refusal)).contains("has started"));
    }

    #[test]
    fn badge_distinguishes_statuses() {
        let mut order = sample(OrderStatus::Cancelled);
        assert_eq!(badge(&order).text, "Cancelled");
        order.cancel_reason = Some(CancelReason::Expired);
        assert_eq!(badge(&order).text, "Expired");
        assert_eq!(badge(&sample(OrderStatus::AwaitingPayment)).text, "Payment due");
        assert_eq!(badge(&sample(OrderStatus::Completed)).text, "Confirmed");
    }
}
