//! The number and name of each invariant, as violations print them.

use ticketctl::audit::names::{self, Invariant};

/// Every unique index that the services declare exists.
pub const UNIQUE_INDEXES: Invariant = names::UNIQUE_INDEXES;
/// A seat is sold at most once.
pub const SOLD_ONCE: Invariant = names::SOLD_ONCE;
/// Each seat's status agrees with its order's, and an order has all of its seats or none.
pub const TICKET_STATUS: Invariant = names::TICKET_STATUS;
/// An unpaid hold expires on time.
pub const HOLD_EXPIRY: Invariant = names::HOLD_EXPIRY;
/// An acknowledged version exists as it was returned, and a rejected request has no effect.
pub const ACKNOWLEDGED: &str = "7 acknowledged";
/// Every version has exactly one change event, and every event id one payload.
pub const ONE_EVENT: Invariant = names::ONE_EVENT;
/// Every replica equals the published state of its version.
pub const REPLICAS: Invariant = names::REPLICAS;
/// An idempotency key names at most one entity.
pub const IDEMPOTENCY: &str = "10 idempotency";
/// Statuses change only along legal transitions, and only a payment that has won its order is captured.
pub const TRANSITIONS: Invariant = names::TRANSITIONS;
/// Payments agree with the card network.
pub const PROVIDER: Invariant = names::PROVIDER;
/// The terms of an order never change, and are those that the ticket was held at.
pub const TERMS: Invariant = names::TERMS;
/// No message is pending or dead-lettered.
pub const NO_BACKLOG: Invariant = names::NO_BACKLOG;
/// A client never reads an older version than before.
pub const MONOTONIC_READS: &str = "15 monotonic-reads";
/// No log and no event contains a secret.
pub const NO_SECRETS: &str = "17 no-secrets";
/// No entity waits for a change that is to come.
pub const AT_REST: &str = "18 at-rest";
