//! An order as its buyer sees it: where it stands, and what happened so far.

use common::events::order::{CancelReason, OrderState, OrderStatus};
use common::events::payment::{PaymentState, PaymentStatus};
use common::events::ticket::RefusalReason;
use common::timestamp::Timestamp;

use super::moment::Moment;
use super::offer::{place, seat};

/// An order as its buyer sees it.
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
    /// Where it stands, in a word or two.
    pub badge: Badge,
    /// Where it stands, in a sentence.
    pub standing: String,
    /// When the hold ends, while it can: until then it is to be paid.
    pub expires_at: Option<Moment>,
}

/// Where an order stands, at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Badge {
    /// In a word or two.
    pub text: &'static str,
    /// The style sheet's class for its colour, which says nothing that the text does not.
    pub class: &'static str,
}

/// Something that happened, or the present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When; none for what is so now.
    pub at: Option<Moment>,
    /// What, in a sentence.
    pub what: String,
}

impl Purchase {
    /// The order, without its history.
    pub fn new(order: &OrderState, payments: &[PaymentState]) -> Self {
        let terms = &order.ticket;
        // In the event's zone, as everything on the page is.
        let moment = |at: Timestamp| Moment::new(at, &terms.time_zone);
        Self {
            id: order.id.to_string(),
            ticket: terms.id.to_string(),
            title: terms.title.clone(),
            place: place(&terms.venue, terms.city.as_deref()),
            starts_at: moment(terms.starts_at),
            seat: seat(terms.section.as_deref(), terms.row.as_deref(), terms.seat.as_deref()),
            price: order.price.to_string(),
            badge: badge(order),
            standing: standing(order, payments),
            expires_at: is_unpaid(order).then(|| moment(order.expires_at)),
        }
    }
}

/// What happened to an order, oldest first, from the order and those of `payments` that are its own. An open order's
/// last step, without a time, says where it stands.
pub fn timeline(order: &OrderState, payments: &[PaymentState]) -> Vec<Step> {
    let mut happened = vec![(order.created_at, "You held the ticket.".to_owned())];
    let mut given_back = Vec::new();
    for payment in payments.iter().filter(|payment| payment.order_id == order.id) {
        // What happened to the payment last, if that was a refund, is a step of its own.
        let refunded = payment.refunded.as_ref();
        let paid_at = refunded.and(payment.authorized_at).unwrap_or(payment.updated_at);
        happened.push((paid_at, paid(payment)));
        given_back.extend(refunded.map(|refunded| (refunded.at, format!("{} were given back.", refunded.amount))));
    }
    // Stable: what happened in the same millisecond keeps this order.
    happened.sort_by_key(|(at, _)| *at);
    let is_final = order.status.is_final();
    if is_final {
        happened.push((order.updated_at, standing(order, payments)));
    }
    happened.extend(given_back);
    let moment = |at| Moment::new(at, &order.ticket.time_zone);
    let mut steps: Vec<_> = happened.into_iter().map(|(at, what)| Step { at: Some(moment(at)), what }).collect();
    if !is_final {
        steps.push(Step { at: None, what: standing(order, payments) });
    }
    steps
}

/// Whether it can be paid, or lost.
fn is_unpaid(order: &OrderState) -> bool {
    matches!(order.status, OrderStatus::Created | OrderStatus::AwaitingPayment)
}

fn badge(order: &OrderState) -> Badge {
    let (text, class) = match order.status {
        OrderStatus::Created => ("Being confirmed", "text-bg-secondary"),
        OrderStatus::AwaitingPayment => ("To be paid", "text-bg-warning"),
        OrderStatus::Authorized => ("Being charged", "text-bg-info"),
        OrderStatus::Completed => ("Yours", "text-bg-success"),
        OrderStatus::Cancelled if order.cancel_reason == Some(CancelReason::Expired) => {
            ("Expired", "text-bg-secondary")
        }
        OrderStatus::Cancelled => ("Cancelled", "text-bg-secondary"),
    };
    Badge { text, class }
}

/// Where an order stands, in a sentence.
fn standing(order: &OrderState, payments: &[PaymentState]) -> String {
    let why = match order.status {
        OrderStatus::Created => return "Being confirmed.".to_owned(),
        OrderStatus::AwaitingPayment => return "Held for you until it is paid or the hold ends.".to_owned(),
        OrderStatus::Authorized => return "Won: your card is being charged.".to_owned(),
        OrderStatus::Completed => return "Paid. The ticket is yours.".to_owned(),
        OrderStatus::Cancelled => match order.cancel_reason {
            Some(CancelReason::Expired) => "Expired: it was not paid in time.".to_owned(),
            Some(CancelReason::PaymentFailed) => "Cancelled: the payment failed.".to_owned(),
            Some(CancelReason::Refused) => refused(order),
            Some(CancelReason::Buyer) | None => "Cancelled.".to_owned(),
        },
    };
    let own = |payment: &PaymentState| payment.order_id == order.id && payment.status == PaymentStatus::Captured;
    let charge = if payments.iter().any(own) { "What was charged is given back." } else { "You were not charged." };
    format!("{why} {charge}")
}

fn refused(order: &OrderState) -> String {
    let refusal = order.refusal.as_ref();
    let why = match refusal.map(|refusal| refusal.reason) {
        Some(RefusalReason::Withdrawn) => "the seller has withdrawn the ticket",
        Some(RefusalReason::Begun) => "the event has begun",
        Some(RefusalReason::PriceChanged) => match refusal.and_then(|refusal| refusal.price.as_ref()) {
            Some(price) => return format!("Cancelled: the price is now {price}."),
            None => "the price has changed",
        },
        Some(RefusalReason::TermsChanged) => "the listing has changed",
        None => "the ticket can't be had",
    };
    format!("Cancelled: {why}.")
}

/// What became of a payment, in a sentence.
fn paid(payment: &PaymentState) -> String {
    let amount = &payment.amount;
    match payment.status {
        PaymentStatus::Authorizing => format!("A payment of {amount} was started."),
        PaymentStatus::RequiresAction => format!("Your bank asks you to confirm the payment of {amount}."),
        PaymentStatus::Authorized => format!("{amount} were set aside on your card."),
        PaymentStatus::Captured => format!("Your card was charged {amount}."),
        PaymentStatus::Declined if payment.decline_reason.as_deref() == Some(PaymentState::SUPERSEDED) => {
            "You chose another card; nothing was charged on the first.".to_owned()
        }
        PaymentStatus::Declined if payment.authorized_at.is_none() => {
            "Your card was declined; nothing was charged.".to_owned()
        }
        PaymentStatus::Failed => "The payment failed; nothing was charged.".to_owned(),
        // A question of the bank's that nobody answered.
        PaymentStatus::Voided if payment.authorized_at.is_none() => {
            "The payment was not confirmed with your bank; nothing was set aside or charged.".to_owned()
        }
        PaymentStatus::Declined | PaymentStatus::Voided => {
            format!("The {amount} set aside on your card were given back; nothing was charged.")
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use common::events::payment::Refunded;
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

    /// A payment of it, so many minutes after it was made.
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
            // All that had a card asked were told yes, but for what says otherwise.
            authorized_at: matches!(
                status,
                PaymentStatus::Authorized | PaymentStatus::Captured | PaymentStatus::Failed | PaymentStatus::Voided
            )
            .then(|| minute(at)),
            refunded: None,
            disputed: false,
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
        let steps = timeline(&order, &payments);
        let told: Vec<_> = steps.iter().map(|step| step.what.as_str()).collect();
        let expected = [
            "You held the ticket.",
            "Your card was declined; nothing was charged.",
            "Your card was charged 125.50 USD.",
            "Paid. The ticket is yours.",
        ];
        assert_eq!(told, expected);
        assert!(steps.iter().all(|step| step.at.is_some()));
    }

    #[test]
    fn what_was_never_set_aside_is_not_given_back() {
        let order = sample(OrderStatus::Cancelled);
        let voided = payment(&order, PaymentStatus::Voided, 5);
        assert_eq!(paid(&voided), "The 125.50 USD set aside on your card were given back; nothing was charged.");
        let unanswered = PaymentState { authorized_at: None, ..voided.clone() };
        assert_eq!(
            paid(&unanswered),
            "The payment was not confirmed with your bank; nothing was set aside or charged."
        );
        let cancelled = PaymentState { status: PaymentStatus::Declined, ..voided };
        assert!(paid(&cancelled).starts_with("The 125.50 USD set aside on your card were given back"));
    }

    #[test]
    fn what_was_given_back_of_a_charge_is_a_step_of_its_own() {
        let mut order = sample(OrderStatus::Completed);
        order.updated_at = minute(5);
        let captured = payment(&order, PaymentStatus::Captured, 7);
        let amount = Money { amount: 2_550, currency: "USD".parse().unwrap() };
        let refunded = PaymentState {
            authorized_at: Some(minute(4)),
            refunded: Some(Refunded { amount, at: minute(7) }),
            ..captured
        };
        let told: Vec<_> = timeline(&order, &[refunded]).into_iter().map(|step| step.what).collect();
        assert_eq!(
            told[1..],
            ["Your card was charged 125.50 USD.", "Paid. The ticket is yours.", "25.50 USD were given back."]
        );
    }

    #[test]
    fn a_closed_order_that_was_charged_does_not_say_that_it_was_not() {
        let mut order = sample(OrderStatus::Cancelled);
        order.cancel_reason = Some(CancelReason::Expired);
        let captured = payment(&order, PaymentStatus::Captured, 5);
        assert_eq!(standing(&order, &[]), "Expired: it was not paid in time. You were not charged.");
        assert_eq!(standing(&order, &[captured]), "Expired: it was not paid in time. What was charged is given back.");
    }

    #[test]
    fn the_last_step_of_an_open_order_is_the_present() {
        let steps = timeline(&sample(OrderStatus::Authorized), &[]);
        let told: Vec<_> = steps.iter().map(|step| (step.at.is_some(), step.what.as_str())).collect();
        assert_eq!(told, [(true, "You held the ticket."), (false, "Won: your card is being charged.")]);
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
            standing(&order, &[])
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

    #[test]
    fn a_badge_tells_the_states_apart() {
        let mut order = sample(OrderStatus::Cancelled);
        assert_eq!(badge(&order).text, "Cancelled");
        order.cancel_reason = Some(CancelReason::Expired);
        assert_eq!(badge(&order).text, "Expired");
        assert_eq!(badge(&sample(OrderStatus::AwaitingPayment)).text, "To be paid");
        assert_eq!(badge(&sample(OrderStatus::Completed)).text, "Yours");
    }
}
