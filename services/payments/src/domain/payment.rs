//! A payment and what can happen to it.

use common::aggregate::Aggregate;
use common::error::{Error, Rejection};
use common::events::payment::{PaymentChange, PaymentState, PaymentStatus, Refunded};
use common::id::{OrderId, PaymentId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::ledger::{self, Account, Entry};

/// Where a payment stands, with what belongs to that state alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Status {
    /// Stored before the provider is asked; its answer is not known.
    Authorizing {
        /// When somebody else than the request that stored it took the question over, because its fate was
        /// unknown. From then on the request may no longer say that nothing was sent.
        #[serde(default)]
        delayed_at: Option<Timestamp>,
    },
    /// The buyer must pass 3-D Secure.
    RequiresAction,
    /// The amount is set aside.
    Authorized {
        /// When a capture failed for the first time; patience counts from here.
        #[serde(default)]
        capture_delayed_at: Option<Timestamp>,
    },
    /// Charged; final.
    Captured,
    /// Not charged, and another card may be tried; final.
    Declined {
        /// The provider's code, or `superseded`.
        reason: String,
    },
    /// The capture failed and nothing is charged; final.
    Failed {
        /// The provider's code.
        reason: String,
    },
    /// The authorisation was given back; final.
    Voided,
}

/// A payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Its id, which is also the idempotency key at the provider.
    pub id: PaymentId,
    /// What it pays for.
    pub order_id: OrderId,
    /// Which one of its order it is, from 1: how many payment methods were tried.
    pub attempt: u32,
    /// Who pays.
    pub buyer_id: UserId,
    /// How much.
    pub amount: Money,
    /// The provider.
    pub provider: String,
    /// The request to the provider as it is sent, and sent again; it names the card and holds no card datum.
    pub request: String,
    /// The provider's id of it, once known.
    pub provider_ref: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Every move of money.
    pub ledger: Vec<Entry>,
    /// What we asked the provider to give back, because the order was closed when the card was charged.
    #[serde(default)]
    pub refund: Option<Refund>,
    /// What was given back, by us or in the provider's dashboard.
    #[serde(default)]
    pub refunded: Option<Refunded>,
    /// Whether the cardholder disputes the charge.
    #[serde(default)]
    pub disputed: bool,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A charge that is to be given back. Its payment and its attempt are the idempotency key at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refund {
    /// 1, and one more whenever the provider would only repeat a failure under the key before.
    pub attempt: u32,
    /// When this attempt was stored.
    pub since: Timestamp,
    /// Whether some of the charge has yet to be given back.
    pub is_open: bool,
}

/// A transition that the payment's state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a payment that is {from:?} can't become {to:?}")]
pub struct PaymentError {
    /// Where it stands.
    pub from: PaymentStatus,
    /// Where it was to go.
    pub to: PaymentStatus,
}

impl From<PaymentError> for Error {
    fn from(_: PaymentError) -> Self {
        Self::Conflict(Rejection::new("payment-moved-on", "The payment is past that. Look at it again."))
    }
}

type Changed = Result<(Payment, PaymentChange), PaymentError>;

/// What a payment is made of before the provider knows of it.
#[derive(Debug, Clone)]
pub struct Start {
    /// What it pays for.
    pub order_id: OrderId,
    /// Who pays.
    pub buyer_id: UserId,
    /// How much.
    pub amount: Money,
    /// The provider.
    pub provider: &'static str,
    /// The request to the provider.
    pub request: String,
}

impl Payment {
    /// A payment whose provider will be asked next.
    pub fn start(id: PaymentId, start: Start, now: Timestamp) -> (Self, PaymentChange) {
        let payment = Self {
            id,
            order_id: start.order_id,
            attempt: 1,
            buyer_id: start.buyer_id,
            amount: start.amount,
            provider: start.provider.to_owned(),
            request: start.request,
            provider_ref: None,
            status: Status::Authorizing { delayed_at: None },
            ledger: Vec::new(),
            refund: None,
            refunded: None,
            disputed: false,
            created_at: now,
            updated_at: now,
        };
        (payment, PaymentChange::Started)
    }

    /// Nobody knows what came of the request to the provider: it is repeated.
    pub fn delay_authorization(self, now: Timestamp) -> Changed {
        match self.status {
            Status::Authorizing { delayed_at: None } => {
                let status = Status::Authorizing { delayed_at: Some(now) };
                Ok((self.moved(status, None, now), PaymentChange::AuthorizationDelayed))
            }
            _ => Err(self.not_allowed(PaymentStatus::Authorizing)),
        }
    }

    /// A capture failed for the first time: it is tried again for as long as we are patient.
    pub fn delay_capture(self, now: Timestamp) -> Changed {
        match self.status {
            Status::Authorized { capture_delayed_at: None } => {
                let status = Status::Authorized { capture_delayed_at: Some(now) };
                Ok((self.moved(status, None, now), PaymentChange::CaptureDelayed))
            }
            _ => Err(self.not_allowed(PaymentStatus::Authorized)),
        }
    }

    /// The provider wants the buyer to pass 3-D Secure.
    pub fn require_action(self, reference: String, now: Timestamp) -> Changed {
        self.from(&[PaymentStatus::Authorizing], PaymentStatus::RequiresAction)?;
        Ok((self.moved(Status::RequiresAction, Some(reference), now), PaymentChange::ActionRequired))
    }

    /// The provider set the amount aside.
    pub fn authorize(self, reference: String, now: Timestamp) -> Changed {
        self.from(&[PaymentStatus::Authorizing, PaymentStatus::RequiresAction], PaymentStatus::Authorized)?;
        let mut next = self.moved(Status::Authorized { capture_delayed_at: None }, Some(reference), now);
        next.ledger.extend(ledger::authorized(next.amount.amount, now));
        Ok((next, PaymentChange::Authorized))
    }

    /// The provider charged the card.
    pub fn capture(self, reference: String, now: Timestamp) -> Changed {
        use PaymentStatus::{Authorized, Authorizing, Captured, RequiresAction};
        self.from(&[Authorizing, RequiresAction, Authorized], Captured)?;
        let mut next = self.moved(Status::Captured, Some(reference), now);
        if next.is_on_hold() {
            next.ledger.extend(ledger::released(next.amount.amount, now));
        }
        next.ledger.extend(ledger::captured(next.amount.amount, now));
        Ok((next, PaymentChange::Captured))
    }

    /// The provider said no, the buyer gave it up for another card, or the authorisation was cancelled before
    /// the order was won; nothing is set aside any more.
    pub fn decline(self, reason: String, reference: Option<String>, now: Timestamp) -> Changed {
        use PaymentStatus::{Authorized, Authorizing, Declined, RequiresAction};
        self.from(&[Authorizing, RequiresAction, Authorized], Declined)?;
        Ok((self.given_back(Status::Declined { reason }, reference, now), PaymentChange::Declined))
    }

    /// The capture failed for good; the provider has cancelled the authorisation.
    pub fn fail(self, reason: String, now: Timestamp) -> Changed {
        self.from(&[PaymentStatus::Authorized], PaymentStatus::Failed)?;
        Ok((self.given_back(Status::Failed { reason }, None, now), PaymentChange::Failed))
    }

    /// The order is closed; the provider has cancelled the authorisation.
    pub fn void(self, now: Timestamp) -> Changed {
        self.from(&[PaymentStatus::RequiresAction, PaymentStatus::Authorized], PaymentStatus::Voided)?;
        Ok((self.given_back(Status::Voided, None, now), PaymentChange::Voided))
    }

    /// The order is closed: all of the charge is to be given back, by a new attempt.
    pub fn start_refund(self, now: Timestamp) -> Changed {
        self.from(&[PaymentStatus::Captured], PaymentStatus::Captured)?;
        let attempt = self.refund.as_ref().map_or(0, |refund| refund.attempt) + 1;
        let mut next = self.moved(Status::Captured, None, now);
        next.refund = Some(Refund { attempt, since: now, is_open: true });
        Ok((next, PaymentChange::RefundStarted))
    }

    /// So much of the charge has been given back in all, whoever gave it.
    pub fn refund(self, total: i64, now: Timestamp) -> Changed {
        self.from(&[PaymentStatus::Captured], PaymentStatus::Captured)?;
        let before = self.refunded_amount();
        let mut next = self.moved(Status::Captured, None, now);
        next.ledger.extend(ledger::refunded(total - before, now));
        let amount = Money { amount: total, currency: next.amount.currency.clone() };
        next.refunded = (total != 0).then_some(Refunded { amount, at: now });
        let is_whole = next.is_refunded();
        if let Some(refund) = &mut next.refund {
            refund.is_open = !is_whole;
        }
        Ok((next, PaymentChange::Refunded))
    }

    /// The cardholder disputes the charge.
    pub fn dispute(self, now: Timestamp) -> Changed {
        self.from(&[PaymentStatus::Captured], PaymentStatus::Captured)?;
        let mut next = Self { disputed: true, ..self.moved(Status::Captured, None, now) };
        // The bank has taken the money back and decides whose it is; the provider refuses to give it back as well.
        if let Some(refund) = &mut next.refund {
            refund.is_open = false;
        }
        Ok((next, PaymentChange::Disputed))
    }

    /// Whether a charge has yet to be given back.
    pub fn is_to_be_given_back(&self) -> bool {
        self.refund.as_ref().is_some_and(|refund| refund.is_open)
    }

    /// How much of the charge was given back, in minor units.
    pub fn refunded_amount(&self) -> i64 {
        self.refunded.as_ref().map_or(0, |refunded| refunded.amount.amount)
    }

    /// Whether the card was charged.
    pub fn is_captured(&self) -> bool {
        self.status == Status::Captured
    }

    /// Whether all of the charge was given back.
    pub fn is_refunded(&self) -> bool {
        self.refunded_amount() >= self.amount.amount
    }

    fn given_back(self, status: Status, reference: Option<String>, now: Timestamp) -> Self {
        let mut next = self.moved(status, reference, now);
        if next.is_on_hold() {
            next.ledger.extend(ledger::released(next.amount.amount, now));
        }
        next
    }

    fn is_on_hold(&self) -> bool {
        ledger::balance(&self.ledger, Account::Authorizations) != 0
    }

    fn moved(self, status: Status, reference: Option<String>, now: Timestamp) -> Self {
        Self { status, provider_ref: reference.or(self.provider_ref), updated_at: now, ..self }
    }

    fn from(&self, allowed: &[PaymentStatus], to: PaymentStatus) -> Result<(), PaymentError> {
        if allowed.contains(&self.status_name()) { Ok(()) } else { Err(self.not_allowed(to)) }
    }

    fn not_allowed(&self, to: PaymentStatus) -> PaymentError {
        PaymentError { from: self.status_name(), to }
    }

    /// When a capture failed for the first time, if it has yet to succeed.
    pub fn capture_delayed_at(&self) -> Option<Timestamp> {
        match self.status {
            Status::Authorized { capture_delayed_at } => capture_delayed_at,
            _ => None,
        }
    }

    /// When the amount was set aside, if it ever was.
    pub fn authorized_at(&self) -> Option<Timestamp> {
        let held = |entry: &&Entry| entry.account == Account::Authorizations && entry.debit > 0;
        self.ledger.iter().find(held).map(|entry| entry.at)
    }

    /// Where it stands, in the words of the contract.
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

    /// Why it was declined or failed.
    pub fn reason(&self) -> Option<&str> {
        match &self.status {
            Status::Declined { reason } | Status::Failed { reason } => Some(reason),
            _ => None,
        }
    }
}

impl Aggregate for Payment {
    type Payload = PaymentState;
    const COLLECTION: &'static str = "payments";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn payload(&self) -> PaymentState {
        PaymentState {
            id: self.id,
            order_id: self.order_id,
            buyer_id: self.buyer_id,
            status: self.status_name(),
            amount: self.amount.clone(),
            provider: self.provider.clone(),
            provider_ref: self.provider_ref.clone(),
            decline_reason: self.reason().map(ToOwned::to_owned),
            authorized_at: self.authorized_at(),
            refunded: self.refunded.clone(),
            disputed: self.disputed,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn is_final(&self) -> bool {
        self.status_name().is_final()
    }
}
