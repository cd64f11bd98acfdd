//! Payment providers: the little that the service asks of a card network.
//!
//! # Why
//! Every answer is told as where the intent stands now, never as success or failure of a call, so
//! a repeated, late or lost answer leads to the same state.

pub mod stripe;
pub mod webhook;

use common::id::{OrderId, PaymentId};
use common::money::Money;
use common::timestamp::Timestamp;

use crate::domain::intent::{Charge, Standing};

/// An authorisation that will be asked for.
#[derive(Debug, Clone)]
pub struct Authorization {
    /// The payment.
    pub payment: PaymentId,
    /// What it pays for.
    pub order: OrderId,
    /// How much to set aside.
    pub amount: Money,
    /// The provider's name of the card.
    pub method: String,
}

/// The request of an authorisation as it is sent; the same one again has the same effect once.
#[derive(Debug, Clone, Copy)]
pub struct Submission<'a> {
    /// The payment, which is the idempotency key.
    pub payment: PaymentId,
    /// The body that [`stripe::prepare`] returned, in this release or an earlier one.
    pub request: &'a str,
}

/// When something may have been made, both ends included.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The beginning, by our clock.
    pub from: Timestamp,
    /// The end, by our clock.
    pub to: Timestamp,
}

/// Why a call gave no intent.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "camelCase")]
pub enum ProviderError {
    /// The provider does not know this payment method; nothing was started.
    #[error("unknown payment method")]
    UnknownMethod,
    /// The provider will never do it, and nothing was started; its code.
    #[error("refused by the provider: {0}")]
    Refused(String),
    /// The provider failed, and says so again whenever the same request is repeated under its key: whether it
    /// had done the work has to be looked up.
    #[error("the provider failed: {0}")]
    Failed(String),
    /// What happened is not known: ask again.
    #[error("the provider's answer is not known: {0}")]
    Unknown(String),
}

/// An intent that the provider has, made for a payment of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedIntent {
    /// The provider's id.
    pub reference: String,
    /// The payment that it was made for.
    pub payment: PaymentId,
    /// Where it stands.
    pub standing: Standing,
    /// How much it is of, in minor units.
    pub amount: i64,
    /// The currency, in lower case.
    pub currency: String,
    /// What came of the charge, if it was captured.
    pub charge: Option<Charge>,
}
