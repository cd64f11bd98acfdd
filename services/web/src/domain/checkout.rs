//! An order at the till: what its buyer can do now, or how it ended.

use common::events::order::{CancelReason, OrderState, OrderStatus};
use common::events::payment::{PaymentState, PaymentStatus};
use common::events::ticket::RefusalReason;
use common::money::Money;
use common::timestamp::Timestamp;

/// What the checkout shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It can be paid for so many more seconds.
    Payable {
        /// Seconds.
        left: u64,
        /// Why the last card was not taken.
        declined: Option<String>,
    },
    /// The card is being charged: it can't be lost any more.
    Winning,
    /// The ticket is theirs.
    Won,
    /// It ended without a sale; what was charged all the same is given back.
    Ended(Ending),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// In a few words.
    pub heading: &'static str,
    /// What happened, and what became of the buyer's money.
    pub text: String,
    /// What the ticket costs now, when that is why it ended.
    pub new_price: Option<Money>,
}

impl Phase {
    /// The order with its payments at this time.
    pub fn new(order: &OrderState, payments: &[PaymentState], now: Timestamp) -> Self {
        match order.status {
            OrderStatus::Created | OrderStatus::AwaitingPayment => {
                let latest = payments.iter().max_by_key(|payment| payment.created_at);
                let declined = latest.filter(|payment| payment.status == PaymentStatus::Declined);
                let declined =
                    declined.filter(|payment| payment.decline_reason.as_deref() != Some(PaymentState::SUPERSEDED));
                Self::Payable {
                    left: order.expires_at.since(now).as_secs(),
                    declined: declined.map(|_| "Your card was declined. Nothing was charged; try another.".to_owned()),
                }
            }
            OrderStatus::Authorized => Self::Winning,
            OrderStatus::Completed => Self::Won,
            OrderStatus::Cancelled => Self::Ended(ending(order, payments)),
        }
    }

    /// Whether a card may be given.
    pub fn is_payable(&self) -> bool {
        matches!(self, Self::Payable { .. })
    }

    /// What is read out when it comes to this.
    pub fn said(&self) -> &str {
        match self {
            Self::Payable { declined: Some(text), .. } => text,
            Self::Payable { .. } => "",
            Self::Winning => "Your card is being charged.",
            Self::Won => "The ticket is yours.",
            Self::Ended(ending) => ending.heading,
        }
    }
}

fn ending(order: &OrderState, payments: &[PaymentState]) -> Ending {
    let plain = |heading, text: &str| Ending { heading, text: text.to_owned(), new_price: None };
    if let Some(payment) = payments.iter().find(|payment| payment.status == PaymentStatus::Captured) {
        let is_given_back = payment.refunded.as_ref().is_some_and(|refunded| refunded.amount == payment.amount);
        let done = if is_given_back { "was" } else { "is being" };
        return plain(
            "Closed, and charged",
            &format!("Your card was charged although the order was closed. All of it {done} given back."),
        );
    }
    match (order.cancel_reason, order.refusal.as_ref()) {
        (Some(CancelReason::Expired), _) => {
            let set_aside = |payment: &PaymentState| match payment.status {
                PaymentStatus::Authorized | PaymentStatus::Authorizing => true,
                PaymentStatus::Voided => payment.authorized_at.is_some(),
                _ => false,
            };
            let unanswered = |payment: &PaymentState| match payment.status {
                PaymentStatus::RequiresAction => true,
                PaymentStatus::Voided => payment.authorized_at.is_none(),
                _ => false,
            };
            if payments.iter().any(set_aside) {
                plain(
                    "Too late, and not charged",
                    "Your bank answered after the hold had ended. You were not charged: what was set aside on your card is given back.",
                )
            } else if payments.iter().any(unanswered) {
                plain(
                    "Your hold has ended",
                    "The payment was not confirmed with your bank in time. Nothing was set aside on your card, and you were not charged.",
                )
            } else {
                plain("Your hold has ended", "It was not paid in time. You were not charged.")
            }
        }
        (Some(CancelReason::Refused), Some(refusal)) => match (refusal.reason, &refusal.price) {
            (RefusalReason::PriceChanged, Some(price)) => Ending {
                heading: "The price has changed",
                text: format!(
                    "The seller changed it from {} to {price} as you ordered. You were not charged.",
                    order.price
                ),
                new_price: Some(price.clone()),
            },
            (RefusalReason::Withdrawn, _) => {
                plain("No longer for sale", "The seller has withdrawn the ticket. You were not charged.")
            }
            (RefusalReason::Begun, _) => plain("Too late", "The event has begun. You were not charged."),
            _ => plain(
                "The listing has changed",
                "The seller changed it as you ordered. Look at it again; you were not charged.",
            ),
        },
        (Some(CancelReason::PaymentFailed), _) => {
            plain("The payment failed", "Your card could not be charged, so the ticket is for sale again.")
        }
        (Some(CancelReason::Buyer), _) => plain("You let it go", "The ticket is for sale again. You were not charged."),
        _ => plain("It has ended", "The order is closed. You were not charged."),
    }
}

#[cfg(test)]
mod tests {
    use common::events::payment::Refunded;
    use common::events::ticket::Refusal;

    use super::*;
    use crate::domain::history::tests::{payment, sample};

    #[test]
    fn an_open_order_can_be_paid_until_it_ends() {
        let order = sample(OrderStatus::AwaitingPayment);
        let now = order.expires_at.minus(std::time::Duration::from_secs(61));
        assert_eq!(Phase::new(&order, &[], now), Phase::Payable { left: 61, declined: None });
        let declined = payment(&order, PaymentStatus::Declined, 1);
        let phase = Phase::new(&order, std::slice::from_ref(&declined), now);
        assert!(phase.is_payable() && phase.said().contains("declined"), "{phase:?}");
        let superseded = PaymentState { decline_reason: Some(PaymentState::SUPERSEDED.to_owned()), ..declined };
        assert_eq!(Phase::new(&order, &[superseded], now).said(), "");
        assert_eq!(Phase::new(&sample(OrderStatus::Authorized), &[], now), Phase::Winning);
        assert_eq!(Phase::new(&sample(OrderStatus::Completed), &[], now), Phase::Won);
    }

    #[test]
    fn an_unanswered_question_of_the_bank_set_nothing_aside() {
        let order = OrderState { cancel_reason: Some(CancelReason::Expired), ..sample(OrderStatus::Cancelled) };
        let voided = PaymentState { authorized_at: None, ..payment(&order, PaymentStatus::Voided, 1) };
        for unanswered in [voided, payment(&order, PaymentStatus::RequiresAction, 1)] {
            let Phase::Ended(ending) = Phase::new(&order, &[unanswered], order.expires_at) else { panic!("it ended") };
            assert_eq!(ending.heading, "Your hold has ended");
            assert!(ending.text.contains("Nothing was set aside"), "{}", ending.text);
        }
    }

    #[test]
    fn a_closed_order_that_was_charged_says_so_whatever_closed_it() {
        let mut order = sample(OrderStatus::Cancelled);
        for reason in [CancelReason::Expired, CancelReason::Buyer, CancelReason::PaymentFailed] {
            order.cancel_reason = Some(reason);
            let mut captured = payment(&order, PaymentStatus::Captured, 1);
            let text =
                |captured: &PaymentState| match Phase::new(&order, std::slice::from_ref(captured), order.expires_at) {
                    Phase::Ended(ending) => ending.text,
                    other => panic!("{other:?}"),
                };
            assert!(text(&captured).ends_with("is being given back."), "{reason:?}");
            captured.refunded = Some(Refunded { amount: captured.amount.clone(), at: order.expires_at });
            assert!(text(&captured).ends_with("was given back."), "{reason:?}");
        }
    }

    #[test]
    fn an_ended_order_says_why_and_that_nothing_was_charged() {
        let mut order = sample(OrderStatus::Cancelled);
        let price = Money { amount: 15_000, currency: "USD".parse().unwrap() };
        let refusal = |reason, price| Some(Refusal { reason, price });
        for (reason, refusal, paid, heading) in [
            (CancelReason::Expired, None, None, "Your hold has ended"),
            (CancelReason::Expired, None, Some(PaymentStatus::Voided), "Too late, and not charged"),
            (CancelReason::Expired, None, Some(PaymentStatus::Declined), "Your hold has ended"),
            (
                CancelReason::Refused,
                refusal(RefusalReason::PriceChanged, Some(price.clone())),
                None,
                "The price has changed",
            ),
            (CancelReason::Refused, refusal(RefusalReason::Withdrawn, None), None, "No longer for sale"),
            (CancelReason::Refused, refusal(RefusalReason::Begun, None), None, "Too late"),
            (CancelReason::Refused, refusal(RefusalReason::TermsChanged, None), None, "The listing has changed"),
            (CancelReason::PaymentFailed, None, Some(PaymentStatus::Failed), "The payment failed"),
            (CancelReason::Buyer, None, None, "You let it go"),
        ] {
            (order.cancel_reason, order.refusal) = (Some(reason), refusal);
            let payments: Vec<_> = paid.map(|status| payment(&order, status, 1)).into_iter().collect();
            let Phase::Ended(ending) = Phase::new(&order, &payments, order.expires_at) else { panic!("{reason:?}") };
            assert_eq!(ending.heading, heading);
            assert!(ending.text.contains("charged"), "{}", ending.text);
            assert_eq!(ending.new_price.is_some(), heading == "The price has changed");
        }
    }
}
