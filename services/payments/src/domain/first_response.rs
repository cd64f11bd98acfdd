//! The first response to the request that started a payment.

use common::events::payment::PaymentStatus;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of the payment when the provider first responded. Repeats of the buyer's request return it, whatever
/// happened to the payment later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FirstResponse {
    /// The payment's version at that time.
    pub version: u64,
    /// The payment's status at that time.
    pub status: PaymentStatus,
    /// When it was recorded.
    pub at: Timestamp,
}
