//! The number and name of each audited invariant, as findings print them and docs/reliability.md explains them.

use std::fmt::{self, Display};

/// An invariant of docs/reliability.md, displayed as `12 ledger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Invariant {
    /// The number in the list; 0 for what the others rest on.
    pub number: u8,
    /// The short name.
    pub name: &'static str,
}

impl Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.name)
    }
}

/// Every unique index that the services declare exists. Invariants 1, 3 and 10 rest on them.
pub const UNIQUE_INDEXES: Invariant = Invariant { number: 0, name: "unique-indexes" };
/// Every document is what the services store. All invariants rest on it.
pub const WELL_FORMED: Invariant = Invariant { number: 0, name: "well-formed" };
/// A ticket is in at most one order that is not cancelled.
pub const HELD_ONCE: Invariant = Invariant { number: 1, name: "held-once" };
/// A ticket is sold at most once.
pub const SOLD_ONCE: Invariant = Invariant { number: 2, name: "sold-once" };
/// An order is completed if and only if exactly one payment of it is captured; no order waits for a payment that has
/// ended, and none stays authorised.
pub const PAID_ONCE: Invariant = Invariant { number: 3, name: "paid-once" };
/// Nothing is charged or authorised for a cancelled order.
pub const REFUNDED: Invariant = Invariant { number: 4, name: "refunded" };
/// A ticket's status agrees with its order's.
pub const TICKET_STATUS: Invariant = Invariant { number: 5, name: "ticket-status" };
/// An unpaid hold expires on time.
pub const HOLD_EXPIRY: Invariant = Invariant { number: 6, name: "hold-expiry" };
/// Every version has exactly one change event, which was published.
pub const ONE_EVENT: Invariant = Invariant { number: 8, name: "one-event" };
/// Every replica equals its owner's entity.
pub const REPLICAS: Invariant = Invariant { number: 9, name: "replicas" };
/// The ledger balances, and payments agree with the card network.
pub const LEDGER: Invariant = Invariant { number: 12, name: "ledger" };

/// The invariants that the audit checks, by number.
pub const AUDITED: [Invariant; 11] = [
    UNIQUE_INDEXES,
    WELL_FORMED,
    HELD_ONCE,
    SOLD_ONCE,
    PAID_ONCE,
    REFUNDED,
    TICKET_STATUS,
    HOLD_EXPIRY,
    ONE_EVENT,
    REPLICAS,
    LEDGER,
];
