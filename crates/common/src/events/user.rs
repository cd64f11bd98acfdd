//! User events, published by `auth`. They contain no email address, because events can't be erased selectively.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::changes;
use crate::id::UserId;
use crate::timestamp::Timestamp;

changes! {
    /// The changes of a user.
    UserChange(entity "user", source "auth", payload UserState) {
        Registered = "registered": "The user signed up.",
        Updated = "updated": "The user changed their display name.",
        PasswordChanged = "passwordChanged": "The user changed their password, which ended their other sessions.",
        RolesChanged = "rolesChanged": "An operator gave the user a role of the staff, or took one away.",
    }
}

/// The public state of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserState {
    /// The id of the user.
    pub id: UserId,
    /// The name that other users see.
    pub display_name: String,
    /// When the user signed up.
    pub created_at: Timestamp,
}
