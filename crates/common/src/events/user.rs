//! Events of users, published by auth. No email address: a stream can't forget.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::changes;
use crate::id::UserId;
use crate::timestamp::Timestamp;

changes! {
    /// What can happen to a user.
    UserChange of "user" by "auth" with UserState {
        Registered = "registered": "Somebody signed up.",
        Updated = "updated": "The user changed how they are called.",
        PasswordChanged = "passwordChanged": "The user chose another password; their other sessions have ended.",
    }
}

/// What others may know of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserState {
    /// The user.
    pub id: UserId,
    /// How other people see them.
    pub display_name: String,
    /// When they signed up.
    pub created_at: Timestamp,
}
