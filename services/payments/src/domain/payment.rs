//! A payment and what can happen to it.

use common::error::{Error, Refusal};
use common::events::payment::{PaymentChange, PaymentState, PaymentStatus};
use common::id::{OrderId, PaymentId, UserId};
use common::money::Money;
use common::timestamp::Timestamp;
use platform::store::Aggregate;
use serde::{Deserialize, Serialize};

use super::ledger::{self, Account, Entry};

/// Where a payment stands, with what belongs to that state alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Status {
    /// Stored before the provider is asked; its answer is not known.
    Authorizing,
    /// The buyer must pass 3-D Secure.
    RequiresAction,
    /// The amount is set aside.
    Authorized,
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
    /// The provider's name of the card; no card datum.
    pub method: String,
    /// The provider.
    pub provider: String,
    /// The provider's id of it, once known.
    pub provider_ref: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// Every move of money.
    pub ledger: Vec<Entry>,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
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
        Self::Conflict(Refusal::new("payment-moved-on", "The payment is past that. Look at it again."))
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
    /// The provider's name of the card.
    pub method: String,
    /// The provider.
    pub provider: &'static str,
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
            method: start.method,
            provider: start.provider.to_owned(),
            provider_ref: None,
            status: Status::Authorizing,
            ledger: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        (payment, PaymentChange::Started)
    }

    /// The provider wants the buyer to pass 3-D Secure.
    pub fn require_action(self, reference: String, now: Timestamp) -> Changed {
        self.from(&[PaymentStatus::Authorizing], PaymentStatus::RequiresAction)?;
        Ok((self.moved(Status::RequiresAction, Some(reference), now), PaymentChange::ActionRequired))
    }

    /// The provider set the amount aside.
    pub fn authorize(self, reference: String, now: Timestamp) -> Changed {
        self.from(&[PaymentStatus::Authorizing, PaymentStatus::RequiresAction], PaymentStatus::Authorized)?;
        let mut next = self.moved(Status::Authorized, Some(reference), now);
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

    /// The provider said no, or the buyer gave it up for another card; nothing is set aside.
    pub fn decline(self, reason: String, reference: Option<String>, now: Timestamp) -> Changed {
        self.from(&[PaymentStatus::Authorizing, PaymentStatus::RequiresAction], PaymentStatus::Declined)?;
        let reference = reference.or_else(|| self.provider_ref.clone());
        Ok((self.moved(Status::Declined { reason }, reference, now), PaymentChange::Declined))
    }

    /// The capture failed for good; the provider has cancelled the authorisation.
    pub fn fail(self, reason: String, now: Timestamp) -> Changed {
        self.from(&[PaymentStatus::Authorized], PaymentStatus::Failed)?;
        Ok((self.given_back(Status::Failed { reason }, now), PaymentChange::Failed))
    }

    /// The order is closed; the provider has cancelled the authorisation.
    pub fn void(self, now: Timestamp) -> Changed {
        self.from(&[PaymentStatus::RequiresAction, PaymentStatus::Authorized], PaymentStatus::Voided)?;
        Ok((self.given_back(Status::Voided, now), PaymentChange::Voided))
    }

    fn given_back(self, status: Status, now: Timestamp) -> Self {
        let mut next = self.moved(status, None, now);
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
        let from = self.status_name();
        if allowed.contains(&from) { Ok(()) } else { Err(PaymentError { from, to }) }
    }

    /// Where it stands, in the words of the contract.
    pub fn status_name(&self) -> PaymentStatus {
        match self.status {
            Status::Authorizing => PaymentStatus::Authorizing,
            Status::RequiresAction => PaymentStatus::RequiresAction,
            Status::Authorized => PaymentStatus::Authorized,
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
    type State = PaymentState;
    const COLLECTION: &'static str = "payments";

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn state(&self) -> PaymentState {
        PaymentState {
            id: self.id,
            order_id: self.order_id,
            buyer_id: self.buyer_id,
            status: self.status_name(),
            amount: self.amount.clone(),
            provider: self.provider.clone(),
            provider_ref: self.provider_ref.clone(),
            decline_reason: self.reason().map(ToOwned::to_owned),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    fn is_final(&self) -> bool {
        self.status_name().is_final()
    }
}
