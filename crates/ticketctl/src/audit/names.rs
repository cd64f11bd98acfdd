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
/// A ticket is in at most one order that is not cancelled.
pub const HELD_ONCE: Invariant = Invariant { number: 1, name: "held-once" };
/// A ticket is sold at most once.
pub const SOLD_ONCE: Invariant = Invariant { number: 2, name: "sold-once" };
/// An order is completed if and only if exactly one payment of it is captured.
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
/// Statuses change only along legal transitions.
pub const TRANSITIONS: Invariant = Invariant { number: 11, name: "transitions" };
/// The ledger balances.
pub const LEDGER: Invariant = Invariant { number: 12, name: "ledger" };
/// Payments agree with the provider's intents.
pub const PROVIDER: Invariant = Invariant { number: 12, name: "provider" };
/// The terms of an order never change, and its price is the one that its ticket was reserved at.
pub const TERMS: Invariant = Invariant { number: 13, name: "terms" };
/// No message stays unhandled, and there is no dead letter.
pub const NO_BACKLOG: Invariant = Invariant { number: 14, name: "no-backlog" };
/// Nothing was published that its owner does not have.
pub const OWNED: Invariant = Invariant { number: 16, name: "owned" };

/// The invariants that the audit checks, by number.
pub const AUDITED: [Invariant; 15] = [
    UNIQUE_INDEXES,
    HELD_ONCE,
    SOLD_ONCE,
    PAID_ONCE,
    REFUNDED,
    TICKET_STATUS,
    HOLD_EXPIRY,
    ONE_EVENT,
    REPLICAS,
    TRANSITIONS,
    LEDGER,
    PROVIDER,
    TERMS,
    NO_BACKLOG,
    OWNED,
];

/// The invariants that are checked in part or wholly at NATS.
pub const AT_NATS: [Invariant; 5] = [ONE_EVENT, TRANSITIONS, TERMS, NO_BACKLOG, OWNED];
