//! An order as its buyer sees it: where it stands, and what happened so far.

use common::events::order::{CancelReason, OrderState, OrderStatus};
use common::events::payment::{PaymentState, PaymentStatus};
use common::events::ticket::RefusalReason;
use common::timestamp::Timestamp;

use super::moment::Moment;
use super::offer::{place, seat};

/// An order with its history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The order's id.
    pub id: String,
    /// The ticket's id.
    pub ticket: String,
    /// What the ticket is for.
    pub title: String,
    /// Venue and city.
    pub place: String,
    /// When the event begins, at the venue.
    pub starts_at: Moment,
    /// Where the seat is; empty when nothing is said.
    pub seat: String,
    /// What the buyer agreed to pay.
    pub price: String,
    /// Where it stands, in a sentence.
    pub standing: String,
    /// When the hold ends, while it can.
    pub expires_at: Option<Moment>,
    /// What happened, oldest first.
    pub steps: Vec<Step>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Moment,
    /// What, in a sentence.
    pub what: String,
}

impl Purchase {
    /// The order with those of these payments that are its own.
    pub fn new(order: &OrderState, payments: &[PaymentState]) -> Self {
        let terms = &order.ticket;
        let mut happened = vec![(order.created_at, "You held the ticket.".to_owned())];
        let own = payments.iter().filter(|payment| payment.order_id == order.id);
        happened.extend(own.map(|payment| (payment.updated_at, paid(payment))));
        if order.status.is_final() {
            happened.push((order.updated_at, standing(order)));
        }
        // Stable: what happened in the same millisecond keeps the order of above.
        happened.sort_by_key(|(at, _)| *at);
        // In the event's zone, as everything on the page is.
        let moment = |at: Timestamp| Moment::new(at, &terms.time_zone);
        let may_expire = matches!(order.status, OrderStatus::Created | OrderStatus::AwaitingPayment);
        Self {
            id: order.id.to_string(),
            ticket: terms.id.to_string(),
            title: terms.title.clone(),
            place: place(&terms.venue, terms.city.as_deref()),
            starts_at: moment(terms.starts_at),
            seat: seat(terms.section.as_deref(), terms.row.as_deref(), terms.seat.as_deref()),
            price: order.price.to_string(),
            standing: standing(order),
            expires_at: may_expire.then(|| moment(order.expires_at)),
            steps: happened.into_iter().map(|(at, what)| Step { at: moment(at), what }).collect(),
        }
    }
}

/// Where an order stands, in a sentence.
fn standing(order: &OrderState) -> String {
    let text = match order.status {
        OrderStatus::Created => "Being confirmed.",
        OrderStatus::AwaitingPayment => "Held for you until it is paid or the hold ends.",
        OrderStatus::Authorized => "Won: your card is being charged.",
        OrderStatus::Completed => "Paid. The ticket is yours.",
        OrderStatus::Cancelled => match order.cancel_reason {
            Some(CancelReason::Expired) => "Expired: it was not paid in time. You were not charged.",
            Some(CancelReason::PaymentFailed) => "Cancelled: the payment failed. You were not charged.",
            Some(CancelReason::Refused) => return refused(order),
            Some(CancelReason::Buyer) | None => "Cancelled. You were not charged.",
        },
    };
    text.to_owned()
}

fn refused(order: &OrderState) -> String {
    let refusal = order.refusal.as_ref();
    let why = match refusal.map(|refusal| refusal.reason) {
        Some(RefusalReason::Withdrawn) => "the seller has withdrawn the ticket",
        Some(RefusalReason::Begun) => "the event has begun",
        Some(RefusalReason::PriceChanged) => match refusal.and_then(|refusal| refusal.price.as_ref()) {
            Some(price) => return format!("Cancelled: the price is now {price}. You were not charged."),
            None => "the price has changed",
        },
        Some(RefusalReason::TermsChanged) => "the listing has changed",
        None => "the ticket can't be had",
    };
    format!("Cancelled: {why}. You were not charged.")
}

/// What became of a payment, in a sentence.
fn paid(payment: &PaymentState) -> String {
    let amount = &payment.amount;
    match payment.status {
        PaymentStatus::Authorizing => format!("A payment of {amount} was started."),
        PaymentStatus::RequiresAction => format!("Your bank asks you to confirm the payment of {amount}."),
        PaymentStatus::Authorized => format!("{amount} were set aside on your card."),
        PaymentStatus::Captured => format!("Your card was charged {amount}."),
        PaymentStatus::Declined if payment.decline_reason.as_deref() == Some("superseded") => {
            "You chose another card; nothing was charged on the first.".to_owned()
        }
        PaymentStatus::Declined => "Your card was declined; nothing was charged.".to_owned(),
        PaymentStatus::Failed => "The payment failed; nothing was charged.".to_owned(),
        PaymentStatus::Voided => format!("The {amount} set aside on your card were given back; nothing was charged."),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use common::events::ticket::Refusal;
    use common::id::{OrderId, PaymentId, UserId};
    use common::money::Money;

    use super::*;
    use crate::domain::offer::tests::sample as ticket;

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
            price: ticket.price,
            expires_at: minute(15),
            created_at: minute(0),
            updated_at: minute(9),
        }
    }

    fn payment(order: &OrderState, status: PaymentStatus, at: u32) -> PaymentState {
        PaymentState {
            id: PaymentId::new(),
            order_id: order.id,
            buyer_id: order.buyer_id,
            status,
            amount: order.price.clone(),
            provider: "stripe".to_owned(),
            provider_ref: None,
            decline_reason: None,
            created_at: minute(at),
            updated_at: minute(at),
        }
    }

    #[test]
    fn a_history_is_told_in_order_and_without_others_payments() {
        let order = sample(OrderStatus::Completed);
        let payments = [
            payment(&order, PaymentStatus::Captured, 8),
            payment(&order, PaymentStatus::Declined, 5),
            payment(&sample(OrderStatus::Completed), PaymentStatus::Voided, 6),
        ];
        let purchase = Purchase::new(&order, &payments);
        let told: Vec<_> = purchase.steps.iter().map(|step| step.what.as_str()).collect();
        let expected = [
            "You held the ticket.",
            "Your card was declined; nothing was charged.",
            "Your card was charged 125.50 USD.",
            "Paid. The ticket is yours.",
        ];
        assert_eq!(told, expected);
        assert_eq!(purchase.expires_at, None);
    }

    #[test]
    fn only_an_unpaid_hold_has_an_end() {
        for (status, ends) in [
            (OrderStatus::Created, true),
            (OrderStatus::AwaitingPayment, true),
            (OrderStatus::Authorized, false),
            (OrderStatus::Completed, false),
            (OrderStatus::Cancelled, false),
        ] {
            assert_eq!(Purchase::new(&sample(status), &[]).expires_at.is_some(), ends, "{status:?}");
        }
    }

    #[test]
    fn a_cancelled_order_says_why() {
        let mut order = sample(OrderStatus::Cancelled);
        let mut say = |reason, refusal| {
            order.cancel_reason = Some(reason);
            order.refusal = refusal;
            standing(&order)
        };
        assert!(say(CancelReason::Expired, None).starts_with("Expired:"));
        assert!(say(CancelReason::PaymentFailed, None).contains("payment failed"));
        assert_eq!(say(CancelReason::Buyer, None), "Cancelled. You were not charged.");
        let price = Money { amount: 15_000, currency: "USD".parse().unwrap() };
        let refusal = Refusal { reason: RefusalReason::PriceChanged, price: Some(price) };
        assert!(say(CancelReason::Refused, Some(refusal)).contains("now 150.00 USD"));
        let refusal = Refusal { reason: RefusalReason::Begun, price: None };
        assert!(say(CancelReason::Refused, Some(refusal)).contains("has begun"));
    }
}
