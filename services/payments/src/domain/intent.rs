//! A payment intent, as its provider describes it.

/// The provider's side of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The provider's id.
    pub reference: String,
    /// Where it stands.
    pub standing: Standing,
    /// The charge. Only a look-up of a captured intent returns it.
    pub charge: Option<Charge>,
    /// What the buyer's browser needs for 3-D Secure. Never stored, logged or published.
    pub client_secret: Option<String>,
}

/// The state of a captured charge: how much of it is left, and whether it is disputed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// What was received and not given back, in minor units.
    pub kept: i64,
    /// Whether the cardholder disputes it.
    pub disputed: bool,
}

/// Where an intent stands at the provider.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "camelCase")]
pub enum Standing {
    /// The provider is still busy with it.
    Pending,
    /// The buyer must pass 3-D Secure.
    RequiresAction,
    /// The amount is set aside.
    Authorized,
    /// The card was charged.
    Captured,
    /// The card was refused; the intent could still be confirmed with another.
    Declined {
        /// The provider's code.
        reason: String,
    },
    /// It can never be charged.
    Cancelled {
        /// The code of the last refusal, if there was one.
        reason: Option<String>,
    },
}
