//! The checkout's view of an order: what its buyer can do now, or how the order ended.

use common::events::order::{CancelReason, OrderState, OrderStatus};
use common::events::payment::{PaymentState, PaymentStatus};
use common::events::ticket::RefusalReason;
use common::money::Money;
use common::timestamp::Timestamp;

use crate::i18n::msg;
use crate::i18n::price::format_price;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    Payable {
        /// Seconds until the hold ends.
        left: u64,
        declined: Option<String>,
    },
    /// The card is being charged; no other buyer can get the ticket any more.
    Charging,
    Completed {
        /// Number of seats.
        quantity: usize,
    },
    /// The order ended without a sale; a charge made nevertheless is refunded.
    Ended(Outcome),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub heading: String,
    /// What happened to the order and to the buyer's money.
    pub text: String,
    /// The current price of a seat, if the order ended because the price changed.
    pub new_price: Option<Money>,
}

impl Phase {
    pub(crate) fn new(order: &OrderState, payments: &[PaymentState], now: Timestamp) -> Self {
        match order.status {
            OrderStatus::Created | OrderStatus::AwaitingPayment => {
                let latest = payments.iter().max_by_key(|payment| payment.created_at);
                let declined = latest.filter(|payment| payment.status == PaymentStatus::Declined);
                let declined =
                    declined.filter(|payment| payment.decline_reason.as_deref() != Some(PaymentState::SUPERSEDED));
                Self::Payable {
                    left: order.expires_at.since(now).as_secs(),
                    declined: declined.map(|_| msg::checkout_declined()),
                }
            }
            OrderStatus::Authorized => Self::Charging,
            OrderStatus::Completed => Self::Completed { quantity: order.slots.len() },
            OrderStatus::Cancelled => Self::Ended(outcome(order, payments)),
        }
    }

    pub(crate) fn is_payable(&self) -> bool {
        matches!(self, Self::Payable { .. })
    }

    /// Text for screen readers when this state is reached.
    pub(crate) fn spoken_text(&self) -> String {
        match self {
            Self::Payable { declined, .. } => declined.clone().unwrap_or_default(),
            Self::Charging => msg::checkout_charging_spoken(),
            Self::Completed { quantity } => msg::checkout_yours_spoken(quantity),
            Self::Ended(outcome) => outcome.heading.clone(),
        }
    }
}

fn outcome(order: &OrderState, payments: &[PaymentState]) -> Outcome {
    let plain = |heading, text| Outcome { heading, text, new_price: None };
    if let Some(payment) = payments.iter().find(|payment| payment.status == PaymentStatus::Captured) {
        let text = if payment.is_refunded() {
            msg::checkout_late_charge_refunded()
        } else if payment.disputed {
            msg::checkout_late_charge_disputed()
        } else {
            msg::checkout_late_charge_refunding()
        };
        return plain(msg::checkout_late_charge_heading(), text);
    }
    match (order.cancel_reason, order.refusal.as_ref()) {
        (Some(CancelReason::Expired), _) => {
            let is_authorized = |payment: &PaymentState| match payment.status {
                PaymentStatus::Authorized => true,
                PaymentStatus::Voided => payment.authorized_at.is_some(),
                _ => false,
            };
            let is_unconfirmed = |payment: &PaymentState| match payment.status {
                PaymentStatus::RequiresAction => true,
                PaymentStatus::Voided => payment.authorized_at.is_none(),
                _ => false,
            };
            let is_unanswered = |payment: &PaymentState| payment.status == PaymentStatus::Authorizing;
            if payments.iter().any(is_authorized) {
                plain(msg::checkout_late_payment_heading(), msg::checkout_late_payment())
            } else if payments.iter().any(is_unanswered) {
                plain(msg::checkout_hold_over_heading(), msg::checkout_hold_over_unanswered())
            } else if payments.iter().any(is_unconfirmed) {
                plain(msg::checkout_hold_over_heading(), msg::checkout_hold_over_unconfirmed())
            } else {
                plain(msg::checkout_hold_over_heading(), msg::checkout_hold_over_unpaid())
            }
        }
        (Some(CancelReason::Refused), Some(refusal)) => match (refusal.reason, &refusal.price) {
            (RefusalReason::PriceChanged, Some(price)) => Outcome {
                heading: msg::checkout_price_changed_heading(),
                text: msg::checkout_price_changed(format_price(price), format_price(&order.unit_price)),
                new_price: Some(price.clone()),
            },
            (RefusalReason::Withdrawn, _) => plain(msg::checkout_withdrawn_heading(), msg::checkout_withdrawn()),
            (RefusalReason::Begun, _) => plain(msg::checkout_begun_heading(), msg::checkout_begun()),
            (RefusalReason::ShowCancelled, _) => {
                plain(msg::checkout_show_cancelled_heading(), msg::checkout_show_cancelled())
            }
            _ => plain(msg::checkout_listing_changed_heading(), msg::checkout_listing_changed()),
        },
        (Some(CancelReason::ShowCancelled), _) => {
            plain(msg::checkout_show_cancelled_heading(), msg::checkout_show_cancelled())
        }
        (Some(CancelReason::PaymentFailed), _) => plain(msg::checkout_failed_heading(), msg::checkout_failed()),
        (Some(CancelReason::Buyer), _) => {
            plain(msg::checkout_released_heading(order.slots.len()), msg::checkout_released(order.slots.len()))
        }
        _ => plain(msg::checkout_closed_heading(), msg::checkout_closed()),
    }
}

#[cfg(test)]
mod tests {
    use common::events::payment::Refunded;
    use common::events::ticket::Refusal;

    use super::*;
    use crate::domain::order_view::tests::{pair, payment, sample};

    #[test]
    fn open_order_is_payable() {
        let order = sample(OrderStatus::AwaitingPayment);
        let now = order.expires_at.minus(std::time::Duration::from_secs(61));
        assert_eq!(Phase::new(&order, &[], now), Phase::Payable { left: 61, declined: None });
        let declined = payment(&order, PaymentStatus::Declined, 1);
        let phase = Phase::new(&order, std::slice::from_ref(&declined), now);
        assert!(phase.is_payable() && phase.spoken_text().contains("declined"), "{phase:?}");
        let superseded = PaymentState { decline_reason: Some(PaymentState::SUPERSEDED.to_owned()), ..declined };
        assert_eq!(Phase::new(&order, &[superseded], now).spoken_text(), "");
        assert_eq!(Phase::new(&sample(OrderStatus::Authorized), &[], now), Phase::Charging);
        assert_eq!(Phase::new(&sample(OrderStatus::Completed), &[], now), Phase::Completed { quantity: 1 });
        assert_eq!(Phase::new(&pair(OrderStatus::Completed), &[], now).spoken_text(), "The tickets are yours.");
    }

    #[test]
    fn unconfirmed_3ds_payment_holds_no_funds() {
        let order = OrderState { cancel_reason: Some(CancelReason::Expired), ..sample(OrderStatus::Cancelled) };
        let voided = PaymentState { authorized_at: None, ..payment(&order, PaymentStatus::Voided, 1) };
        for unconfirmed in [voided, payment(&order, PaymentStatus::RequiresAction, 1)] {
            let Phase::Ended(outcome) = Phase::new(&order, &[unconfirmed], order.expires_at) else {
                panic!("not ended")
            };
            assert_eq!(outcome.heading, "Your hold has ended");
            assert!(outcome.text.contains("Nothing is set aside on your card"), "{}", outcome.text);
        }
    }

    #[test]
    fn unanswered_payment_promises_only_a_release() {
        let order = OrderState { cancel_reason: Some(CancelReason::Expired), ..sample(OrderStatus::Cancelled) };
        let unanswered = PaymentState { authorized_at: None, ..payment(&order, PaymentStatus::Authorizing, 1) };
        let Phase::Ended(outcome) = Phase::new(&order, &[unanswered], order.expires_at) else { panic!("not ended") };
        assert!(outcome.text.contains("any amount set aside on your card will be released"), "{}", outcome.text);
    }

    #[test]
    fn cancelled_but_charged_order_reports_the_refund() {
        let mut order = sample(OrderStatus::Cancelled);
        for reason in [CancelReason::Expired, CancelReason::Buyer, CancelReason::PaymentFailed] {
            order.cancel_reason = Some(reason);
            let mut captured = payment(&order, PaymentStatus::Captured, 1);
            let text =
                |captured: &PaymentState| match Phase::new(&order, std::slice::from_ref(captured), order.expires_at) {
                    Phase::Ended(outcome) => outcome.text,
                    other => panic!("{other:?}"),
                };
            assert!(text(&captured).ends_with("is being refunded."), "{reason:?}");
            captured.disputed = true;
            assert!(text(&captured).contains("your bank decides"), "{reason:?}");
            assert!(!text(&captured).contains("is being refunded"), "{reason:?}");
            captured.refunded = Some(Refunded { amount: captured.amount.clone(), at: order.expires_at });
            assert!(text(&captured).ends_with("has been refunded."), "{reason:?}");
        }
    }

    #[test]
    fn cancelled_order_gives_its_reason() {
        let mut order = sample(OrderStatus::Cancelled);
        let price = Money { amount: 15_000, currency: "USD".parse().unwrap() };
        let refusal = |reason, price| Some(Refusal { reason, price });
        for (reason, refusal, paid, heading) in [
            (CancelReason::Expired, None, None, "Your hold has ended"),
            (CancelReason::Expired, None, Some(PaymentStatus::Voided), "Payment too late"),
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
            (CancelReason::Refused, refusal(RefusalReason::ShowCancelled, None), None, "The show has been cancelled"),
            (CancelReason::ShowCancelled, None, None, "The show has been cancelled"),
            (CancelReason::PaymentFailed, None, Some(PaymentStatus::Failed), "The payment failed"),
            (CancelReason::Buyer, None, None, "You released the ticket"),
        ] {
            (order.cancel_reason, order.refusal) = (Some(reason), refusal);
            let payments: Vec<_> = paid.map(|status| payment(&order, status, 1)).into_iter().collect();
            let Phase::Ended(outcome) = Phase::new(&order, &payments, order.expires_at) else { panic!("{reason:?}") };
            assert_eq!(outcome.heading, heading);
            assert!(outcome.text.contains("charged"), "{}", outcome.text);
            assert_eq!(outcome.new_price.is_some(), heading == "The price has changed");
        }
    }
}
