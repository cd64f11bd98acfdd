//! The payment aggregate: its statuses and transitions.

use common::error::{Error, Rejection};
use common::events::order::OrderState;
use common::events::payment::{PaymentChange, PaymentStatus, Refunded};
use common::id::{OrderId, PaymentId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::first_response::FirstResponse;
use super::ledger::{self, Account, Entry};

/// A payment's status, with the data that only this status has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Status {
    /// Stored before the provider is called; the result is not known.
    Authorizing {
        /// When another worker took the call over from the request that stored the payment, because its result was
        /// not known. From then on that request can't assume that nothing was sent.
        #[serde(default)]
        delayed_at: Option<Timestamp>,
    },
    /// The buyer must pass 3-D Secure.
    RequiresAction,
    /// The amount is authorised.
    Authorized {
        /// When a capture failed for the first time: the start of the retry window.
        #[serde(default)]
        capture_delayed_at: Option<Timestamp>,
    },
    /// The card is charged; final.
    Captured,
    /// Not charged, and the buyer can try another card; final.
    Declined {
        /// The provider's code, or `superseded`.
        reason: String,
    },
    /// The capture failed, so nothing is charged; final.
    Failed {
        /// The provider's code.
        reason: String,
    },
    /// The authorisation was released; final.
    Voided,
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// The payment's id, which is also the idempotency key at the provider.
    pub id: PaymentId,
    /// The order that the payment is for.
    pub order_id: OrderId,
    /// The payment's number within its order, from 1; each payment tries one payment method.
    pub attempt: u32,
    /// The buyer.
    pub buyer_id: UserId,
    /// The order's price.
    pub amount: Money,
    /// The provider's name.
    pub provider: String,
    /// The body of the authorisation request, as it is sent and resent. It names the payment method and contains no
    /// card data.
    pub request: String,
    /// The provider's id of the intent, once known.
    pub provider_ref: Option<String>,
    /// The status.
    pub status: Status,
    /// The entries for every movement of money.
    pub ledger: Vec<Entry>,
    /// The refund that was requested because the order was closed when the card was charged.
    #[serde(default)]
    pub refund: Option<Refund>,
    /// The amount that the provider received, if it is more than the order's price.
    #[serde(default)]
    pub received: Option<Money>,
    /// The first response to the request that started the payment. None until the response is known, and none if the
    /// request failed, so that it may be repeated with the same key.
    #[serde(default)]
    pub first_response: Option<FirstResponse>,
    /// The amount that was refunded, by this service or in the provider's dashboard.
    #[serde(default)]
    pub refunded: Option<Refunded>,
    /// Whether the cardholder disputes the charge.
    #[serde(default)]
    pub disputed: bool,
    /// When the payment was started.
    pub created_at: Timestamp,
    /// When the payment last changed.
    pub updated_at: Timestamp,
}

/// A requested refund. The payment's id and the attempt are the idempotency key at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    /// The number of the attempt, from 1. A new one starts when the provider would only replay a failure for the key.
    pub attempt: u32,
    /// When this attempt was stored.
    pub since: Timestamp,
    /// Whether a part of the charge has yet to be refunded.
    pub is_open: bool,
}

/// The payment's status does not allow the transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payment that is {from:?} can't become {to:?}")]
pub struct PaymentError {
    /// The present status.
    pub from: PaymentStatus,
    /// The status after the transition.
    pub to: PaymentStatus,
}

impl From<PaymentError> for Error {
    fn from(_: PaymentError) -> Self {
        Self::Conflict(Rejection::new(
            "payment-moved-on",
            "The payment has changed in the meantime. Reload it and try again.",
        ))
    }
}

/// The payment after a transition, with the change to publish.
pub type Transition = Result<(Payment, PaymentChange), PaymentError>;

impl Payment {
    /// Starts a payment, which is stored before the provider is called.
    pub fn start(
        id: PaymentId,
        order: &OrderState,
        attempt: u32,
        provider: &str,
        request: String,
        now: Timestamp,
    ) -> (Self, PaymentChange) {
        let payment = Self {
            id,
            order_id: order.id,
            attempt,
            buyer_id: order.buyer_id,
            amount: order.price.clone(),
            provider: provider.to_owned(),
            request,
            provider_ref: None,
            status: Status::Authorizing { delayed_at: None },
            ledger: Vec::new(),
            refund: None,
            first_response: None,
            received: None,
            refunded: None,
            disputed: false,
            created_at: now,
            updated_at: now,
        };
        (payment, PaymentChange::Started)
    }

    /// Records the present state as the response to the request that started the payment. `version` is that of this
    /// state.
    #[must_use]
    pub fn record_response(self, version: u64) -> Self {
        let first_response = FirstResponse { version, status: self.status_name(), at: self.updated_at };
        Self { first_response: Some(first_response), ..self }
    }

    /// Whether the request that started the payment may still get a response that its repeats return.
    pub fn awaits_response(&self) -> bool {
        self.first_response.is_none() && self.status_name() == PaymentStatus::Authorizing
    }

    /// Another worker takes the authorisation over, because its result is not known.
    pub fn delay_authorization(self, now: Timestamp) -> Transition {
        if self.status != (Status::Authorizing { delayed_at: None }) {
            return Err(self.invalid_transition(PaymentStatus::Authorizing));
        }
        let status = Status::Authorizing { delayed_at: Some(now) };
        Ok((self.with_status(status, None, now), PaymentChange::AuthorizationDelayed))
    }

    /// A capture failed for the first time, which starts the retry window.
    pub fn delay_capture(self, now: Timestamp) -> Transition {
        if self.status != (Status::Authorized { capture_delayed_at: None }) {
            return Err(self.invalid_transition(PaymentStatus::Authorized));
        }
        let status = Status::Authorized { capture_delayed_at: Some(now) };
        Ok((self.with_status(status, None, now), PaymentChange::CaptureDelayed))
    }

    /// The provider requires the buyer to pass 3-D Secure.
    pub fn require_action(self, reference: String, now: Timestamp) -> Transition {
        self.ensure_status_in(&[PaymentStatus::Authorizing], PaymentStatus::RequiresAction)?;
        Ok((self.with_status(Status::RequiresAction, Some(reference), now), PaymentChange::ActionRequired))
    }

    /// The provider authorised the amount.
    pub fn authorize(self, reference: String, now: Timestamp) -> Transition {
        self.ensure_status_in(&[PaymentStatus::Authorizing, PaymentStatus::RequiresAction], PaymentStatus::Authorized)?;
        let mut next = self.with_status(Status::Authorized { capture_delayed_at: None }, Some(reference), now);
        next.ledger.extend(ledger::authorized(next.amount.amount, now));
        Ok((next, PaymentChange::Authorized))
    }

    /// The provider charged the card.
    pub fn capture(self, reference: String, now: Timestamp) -> Transition {
        use PaymentStatus::{Authorized, Authorizing, Captured, RequiresAction};
        self.ensure_status_in(&[Authorizing, RequiresAction, Authorized], Captured)?;
        let mut next = self.release_authorization(Status::Captured, Some(reference), now);
        next.ledger.extend(ledger::captured(next.amount.amount, now));
        Ok((next, PaymentChange::Captured))
    }

    /// The provider declined the card, the buyer switched to another card, or the authorisation was cancelled before
    /// the order was authorised. Nothing is set aside on the card any more.
    pub fn decline(self, reason: String, reference: Option<String>, now: Timestamp) -> Transition {
        use PaymentStatus::{Authorized, Authorizing, Declined, RequiresAction};
        self.ensure_status_in(&[Authorizing, RequiresAction, Authorized], Declined)?;
        Ok((self.release_authorization(Status::Declined { reason }, reference, now), PaymentChange::Declined))
    }

    /// The capture failed for good, and the provider has cancelled the authorisation.
    pub fn fail(self, reason: String, now: Timestamp) -> Transition {
        self.ensure_status_in(&[PaymentStatus::Authorized], PaymentStatus::Failed)?;
        Ok((self.release_authorization(Status::Failed { reason }, None, now), PaymentChange::Failed))
    }

    /// The order is closed, and the provider has cancelled the authorisation.
    pub fn void(self, now: Timestamp) -> Transition {
        self.ensure_status_in(&[PaymentStatus::RequiresAction, PaymentStatus::Authorized], PaymentStatus::Voided)?;
        Ok((self.release_authorization(Status::Voided, None, now), PaymentChange::Voided))
    }

    /// The order is closed, so a new attempt is started to refund the whole charge.
    pub fn start_refund(self, now: Timestamp) -> Transition {
        let attempt = self.refund.as_ref().map_or(0, |refund| refund.attempt) + 1;
        let mut next = self.touch_captured(now)?;
        next.refund = Some(Refund { attempt, since: now, is_open: true });
        Ok((next, PaymentChange::RefundStarted))
    }

    /// Records the total amount that has been refunded so far, by this service or in the dashboard.
    pub fn refund(self, total: i64, now: Timestamp) -> Transition {
        let before = self.refunded_amount();
        let mut next = self.touch_captured(now)?;
        next.ledger.extend(ledger::refunded(total - before, now));
        let amount = Money { amount: total, currency: next.amount.currency.clone() };
        next.refunded = (total != 0).then_some(Refunded { amount, at: now });
        // While the charge is disputed, nothing can be refunded.
        let is_open = !next.is_refunded() && !next.disputed;
        if let Some(refund) = &mut next.refund {
            refund.is_open = is_open;
        }
        Ok((next, PaymentChange::Refunded))
    }

    /// Records the total amount that the provider received, which is more than was requested.
    pub fn overpay(self, total: i64, now: Timestamp) -> Transition {
        let before = self.received_amount();
        let mut next = self.touch_captured(now)?;
        next.ledger.extend(ledger::captured(total - before, now));
        next.received = Some(Money { amount: total, currency: next.amount.currency.clone() });
        Ok((next, PaymentChange::Overpaid))
    }

    /// The cardholder disputes the charge.
    pub fn dispute(self, now: Timestamp) -> Transition {
        let mut next = Self { disputed: true, ..self.touch_captured(now)? };
        // The bank has taken the money back and decides the dispute; the provider rejects a refund meanwhile.
        if let Some(refund) = &mut next.refund {
            refund.is_open = false;
        }
        Ok((next, PaymentChange::Disputed))
    }

    /// Whether a part of a requested refund is outstanding.
    pub fn has_open_refund(&self) -> bool {
        self.refund.as_ref().is_some_and(|refund| refund.is_open)
    }

    /// The refunded amount, in minor units.
    pub fn refunded_amount(&self) -> i64 {
        self.refunded.as_ref().map_or(0, |refunded| refunded.amount.amount)
    }

    /// The amount that a capture yielded, in minor units: the order's price, or more if the provider received more.
    pub fn received_amount(&self) -> i64 {
        self.received.as_ref().map_or(self.amount.amount, |received| received.amount)
    }

    /// Whether the card was charged.
    pub fn is_captured(&self) -> bool {
        self.status == Status::Captured
    }

    /// Whether the whole charge was refunded.
    pub fn is_refunded(&self) -> bool {
        self.refunded_amount() >= self.received_amount()
    }

    /// The payment in another status. Releases the authorisation in its ledger, if there is one.
    fn release_authorization(self, status: Status, reference: Option<String>, now: Timestamp) -> Self {
        let mut next = self.with_status(status, reference, now);
        if ledger::balance(&next.ledger, Account::Authorizations) != 0 {
            next.ledger.extend(ledger::released(next.amount.amount, now));
        }
        next
    }

    /// The payment, marked as changed now; fails unless it is captured.
    fn touch_captured(self, now: Timestamp) -> Result<Self, PaymentError> {
        self.ensure_status_in(&[PaymentStatus::Captured], PaymentStatus::Captured)?;
        Ok(self.with_status(Status::Captured, None, now))
    }

    fn with_status(self, status: Status, reference: Option<String>, now: Timestamp) -> Self {
        Self { status, provider_ref: reference.or(self.provider_ref), updated_at: now, ..self }
    }

    fn ensure_status_in(&self, allowed: &[PaymentStatus], to: PaymentStatus) -> Result<(), PaymentError> {
        if allowed.contains(&self.status_name()) { Ok(()) } else { Err(self.invalid_transition(to)) }
    }

    fn invalid_transition(&self, to: PaymentStatus) -> PaymentError {
        PaymentError { from: self.status_name(), to }
    }

    /// When the capture of an authorised payment failed for the first time.
    pub fn capture_delayed_at(&self) -> Option<Timestamp> {
        match self.status {
            Status::Authorized { capture_delayed_at } => capture_delayed_at,
            _ => None,
        }
    }

    /// When the amount was authorised, if it ever was.
    pub fn authorized_at(&self) -> Option<Timestamp> {
        let is_authorization = |entry: &&Entry| entry.account == Account::Authorizations && entry.debit > 0;
        self.ledger.iter().find(is_authorization).map(|entry| entry.at)
    }

    /// The status as the API and the events name it.
    pub fn status_name(&self) -> PaymentStatus {
        match self.status {
            Status::Authorizing { .. } => PaymentStatus::Authorizing,
            Status::RequiresAction => PaymentStatus::RequiresAction,
            Status::Authorized { .. } => PaymentStatus::Authorized,
            Status::Captured => PaymentStatus::Captured,
            Status::Declined { .. } => PaymentStatus::Declined,
            Status::Failed { .. } => PaymentStatus::Failed,
            Status::Voided => PaymentStatus::Voided,
        }
    }

    /// Why the payment was declined or failed.
    pub fn reason(&self) -> Option<&str> {
        match &self.status {
            Status::Declined { reason } | Status::Failed { reason } => Some(reason),
            _ => None,
        }
    }
}
