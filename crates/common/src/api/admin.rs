//! The internal admin API: paths, requests and responses of the routes on the services' admin ports, which operators'
//! tools call.
//!
//! # Why
//! An [`Endpoint`](super::Endpoint) belongs to the public API of one service. Admin routes are internal, and every
//! service has `/resync`. So this module has only constants for the paths and types for the bodies.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use validator::{Validate, ValidationError};

use crate::events::payment::PaymentStatus;
use crate::events::ticket::TicketStatus;
use crate::id::{OrderId, PaymentId, TicketId, UserId};
use crate::identity::Role;
use crate::string_form::text_enum;
use crate::text::Text;
use crate::timestamp::Timestamp;
use crate::validate::invalid_part;

/// All services: POST announces the selected entities, which means that it publishes snapshots of them. Body:
/// [`Resync`]; response: [`ResyncResult`].
pub const RESYNC: &str = "/resync";
/// All services: POST writes an entity again, at a version above that of its replicas, after its owner was restored to
/// an earlier moment. Body: [`Raise`]; response: [`Raised`].
pub const RAISE: &str = "/raise";
/// `payments`: POST voids or refunds a payment that its order no longer needs (the order is cancelled, or authorised by
/// another payment), or whose order is lost. Body: [`Void`]; response: [`Voided`].
pub const VOID: &str = "/void";
/// `tickets`: POST releases a listing whose order is cancelled or lost. Body: [`Release`]; response: [`Released`].
pub const RELEASE: &str = "/release";
/// `payments`: POST queries the provider for every payment whose status is not final. Body: `{}`; response:
/// [`ReconciledPayments`].
pub const RECONCILE: &str = "/reconcile";
/// `payments`: POST finds orphaned intents, and resolves them on request. Body: [`FindOrphans`]; response: [`Orphans`].
pub const ORPHANS: &str = "/orphans";
/// `auth`: GET lists the users that have a role, as [`Staff`].
pub const ROLES: &str = "/roles";
/// `auth`: POST gives a user a role, which the user's next access token contains. Body: [`RoleChange`]; response:
/// [`StaffMember`].
pub const GIVE_ROLE: &str = "/roles/give";
/// `auth`: POST takes a role from a user and ends all sessions of the user; access tokens that contain the role are
/// valid until they expire. Body: [`RoleChange`]; response: [`StaffMember`].
pub const TAKE_ROLE: &str = "/roles/take";
/// `web`: POST starts a rebuild of the read model unless one is running, and returns [`RebuildStarted`]. GET reads the
/// progress and DELETE cancels the rebuild; both return [`RebuildStatus`].
pub const REBUILD: &str = "/rebuild";
/// `web`: POST makes the new read model live even if it is incomplete, and returns [`RebuildStatus`].
pub const REBUILD_SWAP: &str = "/rebuild/swap";

/// Selects the entities to announce: all, those changed since a time, or those with one of the ids.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[validate(schema(function = "validate_selection"))]
pub struct Resync {
    /// Selects all entities.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Selects the entities changed at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Selects the entities with one of these ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
}

impl Resync {
    /// Selects all entities.
    pub fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }
}

fn validate_selection(selection: &Resync) -> Result<(), ValidationError> {
    if selection.all || selection.since.is_some() || !selection.ids.is_empty() {
        Ok(())
    } else {
        let message = "select the entities to announce: {\"all\": true}, {\"since\": time} or {\"ids\": […]}";
        Err(invalid_part("all", "empty_selection", message))
    }
}

/// The result of a resync.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResyncResult {
    /// Number of announced entities by collection.
    pub announced: BTreeMap<String, u64>,
}

/// Requests that an entity is written again with a higher version, because its owner's database was restored to an
/// earlier moment than its replicas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Raise {
    /// The entity's id.
    pub id: String,
    /// The highest version that a replica has. The entity is written with the next version, unless its own version is
    /// higher already. Invalid if it is more than a million above the entity's version.
    pub above: u64,
    /// The state to write, in the form of an event's payload: the state that the replicas have at that version. If
    /// absent, the owner's present state is written. It is possible only for shows, listings and orders, because the
    /// events of other entities do not carry their whole state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Value>,
}

/// The result of a raise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Raised {
    /// The entity's version after the request.
    pub version: u64,
    /// Whether the entity was written; false if its version was above the requested one already.
    pub is_written: bool,
}

/// Requests that a payment is voided or refunded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Void {
    /// The payment.
    pub id: PaymentId,
    /// Whether `orders` does not have the payment's order, which the caller has verified. Otherwise the order has to be
    /// closed for the payment: cancelled, or authorised by another payment.
    #[serde(default)]
    pub order_is_lost: bool,
    /// If the order is lost: the version of its replica in `payments` that the caller has read; absent if there was no
    /// replica. If `payments` has a newer replica, the order is not lost, and the request fails with a conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_version: Option<u64>,
}

/// The result of voiding a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Voided {
    /// The payment's status after the request.
    pub status: PaymentStatus,
    /// Whether no amount of the payment is authorised or charged any more. False for a disputed charge, and until the
    /// provider has responded.
    pub is_settled: bool,
}

/// Requests that a listing is released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    /// The listing.
    pub id: TicketId,
    /// The order that it is reserved for.
    pub order_id: OrderId,
    /// Whether `orders` does not have the order, which the caller has verified. Otherwise the order has to be
    /// cancelled.
    #[serde(default)]
    pub order_is_lost: bool,
    /// If the order is lost: the version of its replica in `tickets` that the caller has read; absent if there was no
    /// replica. If `tickets` has a newer replica, the order is not lost, and the request fails with a conflict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_version: Option<u64>,
}

/// The result of releasing a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The listing's status after the request.
    pub status: TicketStatus,
}

/// The result of reconciling payments with the provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReconciledPayments {
    /// Number of payments that were queried at the provider.
    pub looked_up: usize,
    /// Number of queries that failed.
    pub failed: usize,
}

/// Requests the orphans among the intents of a period.
#[derive(Debug, Clone, Serialize, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FindOrphans {
    /// Start of the period; it ends now.
    pub since: Timestamp,
    /// Whether to resolve the orphans, which refunds charges and cancels authorisations.
    #[serde(default)]
    pub resolve: bool,
}

/// The result of finding orphans.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Orphans {
    /// The orphans, in the order in which the provider lists them.
    pub orphans: Vec<Orphan>,
}

/// An orphaned intent: the provider has it, but no payment accounts for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Orphan {
    /// The provider's id of the intent.
    pub reference: String,
    /// The payment id in the intent's metadata.
    pub payment: PaymentId,
    /// The amount in minor units.
    pub amount: i64,
    /// The currency, in lower case.
    pub currency: String,
    /// The state of the intent, or the action taken.
    pub outcome: OrphanOutcome,
}

text_enum! {
    /// The state of an orphaned intent, or the action taken.
    OrphanOutcome {
        /// Charged; no action was taken.
        Charged,
        /// Can still be charged; no action was taken.
        Open,
        /// Was charged; the charge was refunded.
        Refunded,
        /// Was cancelled before it was charged.
        Cancelled,
        /// Could not be queried or resolved.
        Failed,
    }
}

/// Requests that a user gets or loses a role. A repeat changes nothing, except that taking a role ends the user's
/// sessions again.
#[derive(Debug, Clone, Serialize, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleChange {
    /// The user's email address, matched without regard to case.
    #[validate(length(max = 254))]
    pub email: Text,
    /// The role.
    pub role: Role,
}

/// A user with the roles that the user has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StaffMember {
    /// The user's id.
    pub id: UserId,
    /// The email address as written at sign-up.
    pub email: String,
    /// The name that other users see.
    pub display_name: String,
    /// The roles in the order in which they were given; empty if the user has none any more.
    pub roles: Vec<Role>,
}

/// The users that have a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staff {
    /// The users, ordered by email address.
    pub members: Vec<StaffMember>,
}

/// The rebuild that was started or was already running.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RebuildStarted {
    /// The number of the generation (a complete set of the read model's collections) that is being filled. It may
    /// already be live if there was nothing to wait for.
    pub filling: i64,
}

/// The progress of a rebuild.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RebuildStatus {
    /// The generation that pages read.
    pub live: i64,
    /// The generation under construction; null if no rebuild is running.
    pub filling: Option<i64>,
    /// The progress of each kind of entity; empty if no rebuild is running.
    pub entities: Vec<EntityStatus>,
}

/// The progress of one kind of entity.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntityStatus {
    /// The name of the entity.
    pub entity: String,
    /// Approximate number of entities in the live generation.
    pub live: u64,
    /// Approximate number of entities in the new generation.
    pub filled: u64,
    /// A sample of the ids that are missing or stale in the new generation.
    pub missing: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::OrphanOutcome;
    use crate::events::tests::assert_one_text_form;

    #[test]
    fn orphan_outcome_has_one_text_form() {
        assert_one_text_form::<OrphanOutcome>();
    }
}
