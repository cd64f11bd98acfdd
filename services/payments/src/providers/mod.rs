//! Payment providers: the little that the service asks of a card network.
//!
//! # Why
//! Every answer is told as where the intent stands now, never as success or failure of a call, so
//! a repeated, late or lost answer leads to the same state.

pub mod measured;
pub mod stripe;
pub mod webhook;

use common::id::{OrderId, PaymentId};
use common::money::Money;
use common::timestamp::Timestamp;
use futures::future::BoxFuture;

use crate::domain::intent::{Charge, Intent, Standing};

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
    /// What [`Provider::prepare`] made, whichever release it was.
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
pub struct Made {
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

/// What a provider did, or why it is not known.
pub type Answer<'a> = BoxFuture<'a, Result<Intent, ProviderError>>;

/// A card network.
pub trait Provider: Send + Sync {
    /// Its name in payments: `stripe`.
    fn name(&self) -> &'static str;
    /// The request that sets an amount aside, to be stored before it is sent. Refused when there can't be any.
    fn prepare(&self, authorization: &Authorization) -> Result<String, ProviderError>;
    /// Sets an amount aside, once for each payment however often it is asked within a day.
    fn authorize<'a>(&'a self, submission: Submission<'a>) -> Answer<'a>;
    /// The intent that was made for a payment in this time, if there is one.
    fn find(&self, payment: PaymentId, made: Window) -> BoxFuture<'_, Result<Option<Intent>, ProviderError>>;
    /// Charges what was set aside, once however often it is asked.
    fn capture<'a>(&'a self, reference: &'a str) -> Answer<'a>;
    /// Gives back what was set aside; the answer may be that it was captured already.
    fn cancel<'a>(&'a self, reference: &'a str) -> Answer<'a>;
    /// Where the intent stands.
    fn look_up<'a>(&'a self, reference: &'a str) -> Answer<'a>;
    /// Every intent that was made for a payment of ours at or after this time, by the provider's clock.
    fn made_since(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Made>, ProviderError>>;
    /// Gives back what is left of a charge, once for each key however often it is asked within a day.
    fn give_back<'a>(&'a self, reference: &'a str, key: &'a str) -> BoxFuture<'a, Result<(), ProviderError>>;
}
