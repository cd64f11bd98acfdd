//! Timer events, published by `expiration`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::changes;
use crate::id::OrderId;
use crate::timestamp::Timestamp;

changes! {
    /// The changes of a timer.
    ExpirationChange(entity "expiration", source "expiration", payload ExpirationState) {
        Completed = "completed": "The timer of the order's hold has fired; `orders` decides whether the hold ends.",
    }
}

/// A timer that has fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExpirationState {
    /// The order; its id is also the timer's id.
    pub order_id: OrderId,
    /// The time for which the timer was set.
    pub expires_at: Timestamp,
}
