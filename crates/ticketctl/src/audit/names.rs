//! The number and name of each audited invariant, as violations print them and docs/reliability.md explains them.

/// A ticket is in at most one order that is not cancelled.
pub const HELD_ONCE: &str = "1 held-once";
/// A ticket is sold at most once.
pub const SOLD_ONCE: &str = "2 sold-once";
/// An order is completed if and only if exactly one payment of it is captured.
pub const PAID_ONCE: &str = "3 paid-once";
/// Nothing is charged or authorised for a cancelled order.
pub const REFUNDED: &str = "4 refunded";
/// A ticket's status agrees with its order's.
pub const TICKET_STATUS: &str = "5 ticket-status";
/// An unpaid hold expires on time.
pub const HOLD_EXPIRY: &str = "6 hold-expiry";
/// Every version has exactly one change event, which was published.
pub const ONE_EVENT: &str = "8 one-event";
/// Every replica equals its owner's entity.
pub const REPLICAS: &str = "9 replicas";
/// The ledger balances, and payments agree with the card network.
pub const LEDGER: &str = "12 ledger";
