//! Events of timers, published by expiration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::changes;
use crate::id::OrderId;
use crate::timestamp::Timestamp;

changes! {
    /// What can happen to a timer.
    ExpirationChange of "expiration" by "expiration" with ExpirationState {
        Completed = "completed": "The order's time has come; orders decides what that means.",
    }
}

/// A timer that has fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpirationState {
    /// The order, which is also the timer's id.
    pub order_id: OrderId,
    /// The moment for which the timer was set.
    pub expires_at: Timestamp,
}
