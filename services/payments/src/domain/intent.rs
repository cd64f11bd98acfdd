//! A payment intent as the provider describes it.

/// The provider's side of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The provider's id.
    pub reference: String,
    /// The status at the provider.
    pub status: IntentStatus,
    /// The charge. Only reading a captured intent returns it.
    pub charge: Option<Charge>,
    /// The secret that the buyer's browser needs for 3-D Secure. Never stored, logged or published.
    pub client_secret: Option<String>,
}

/// The state of a captured charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// The amount received, in minor units.
    pub received: i64,
    /// The amount received minus the amount refunded, in minor units.
    pub net_amount: i64,
    /// Whether the cardholder disputes the charge.
    pub disputed: bool,
}

/// The status of an intent at the provider.
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "camelCase")]
pub enum IntentStatus {
    /// The provider is still processing it.
    Pending,
    /// The buyer must pass 3-D Secure.
    RequiresAction,
    /// The amount is authorised.
    Authorized,
    /// The card was charged.
    Captured,
    /// The card was declined; the intent could still be confirmed with another card.
    Declined {
        /// The provider's code.
        reason: String,
    },
    /// The intent can no longer be charged.
    Cancelled {
        /// The provider's code of the last decline, if there was one.
        reason: Option<String>,
    },
}
