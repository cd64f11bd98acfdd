//! What the request that started a payment returned.

use common::events::payment::PaymentStatus;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// The payment when the provider had answered its request for the first time. Repeats of the buyer's request return this,
/// not what has become of the payment since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Answered {
    /// The payment's version at that time.
    pub version: u64,
    /// The payment's status at that time.
    pub status: PaymentStatus,
    /// When it was recorded.
    pub at: Timestamp,
}
