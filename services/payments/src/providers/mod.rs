//! The payment provider.
//!
//! # Why
//! A call returns the intent's present status, whether or not this call changed it. So repeated calls, and late or lost
//! responses, lead to the same state.

pub mod stripe;
pub mod webhook;

use common::error::Error;
use common::id::PaymentId;

use crate::domain::intent::Intent;

/// Why a call returned no intent.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "camelCase")]
pub enum ProviderError {
    /// The provider does not know this payment method; nothing was created.
    #[error("unknown payment method")]
    UnknownMethod,
    /// The provider will always reject the request, and nothing was created; its code.
    #[error("permanently rejected by the provider: {0}")]
    Permanent(String),
    /// The provider failed, and replays this failure whenever the request is resent with the same key. Whether it had
    /// done the work has to be looked up.
    #[error("the provider failed: {0}")]
    Failed(String),
    /// The result is not known: retry.
    #[error("the provider's response is not known: {0}")]
    Unknown(String),
}

impl From<ProviderError> for Error {
    fn from(error: ProviderError) -> Self {
        Self::unavailable(error)
    }
}

/// An intent at the provider that was created for a payment of this service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedIntent {
    /// The intent.
    pub intent: Intent,
    /// The payment that it was created for.
    pub payment: PaymentId,
    /// The amount in minor units.
    pub amount: i64,
    /// The currency, in lower case.
    pub currency: String,
}
