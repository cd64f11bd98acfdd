//! The number and name of each audited invariant, as findings print them and docs/reliability.md explains them.

use std::fmt::{self, Display};

/// An invariant of docs/reliability.md, displayed as `12 ledger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Invariant {
    /// The number in the list; 0 for the unique indexes, on which other invariants depend.
    pub number: u8,
    /// The short name.
    pub name: &'static str,
    /// What an operator can do about a violation that no command repairs.
    pub advice: &'static str,
}

impl Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.name)
    }
}

/// Every unique index that the services declare exists. Invariants 1 and 3 rest on them.
pub const UNIQUE_INDEXES: Invariant = Invariant {
    number: 0,
    name: "unique-indexes",
    advice: "restart the service: it creates its indexes at start, and logs which one the documents prevent",
};
/// Every document is what the services store. All invariants rest on it.
pub const WELL_FORMED: Invariant = Invariant {
    number: 0,
    name: "well-formed",
    advice: "no service can read such a document; find out who wrote it from outside",
};
/// A seat is in at most one order that is not cancelled, and an order takes whole blocks of its listing.
pub const HELD_ONCE: Invariant = Invariant {
    number: 1,
    name: "held-once",
    advice: "let the unpaid holds expire, or ask their buyers to cancel them",
};
/// A seat is sold at most once.
pub const SOLD_ONCE: Invariant = Invariant {
    number: 2,
    name: "sold-once",
    advice: "refund all buyers but one in the payment provider's dashboard; a completed order stays completed, and \
             this is reported further",
};
/// An order is completed if and only if exactly one payment of it is captured; no order waits for a payment that has
/// ended, and none stays authorised.
pub const PAID_ONCE: Invariant = Invariant {
    number: 3,
    name: "paid-once",
    advice: "compare the order's payments with the payment provider's dashboard; `restore settle --since` refunds \
             what was charged for payments that were lost since that moment",
};
/// Nothing is charged or authorised for a cancelled order.
pub const REFUNDED: Invariant = Invariant {
    number: 4,
    name: "refunded",
    advice: "refund or cancel the payment in the payment provider's dashboard, unless the bank decides a dispute",
};
/// Each seat's status agrees with its order's, and the status of a listing with those of its seats.
pub const TICKET_STATUS: Invariant = Invariant {
    number: 5,
    name: "ticket-status",
    advice: "look at the order and the listing; a seller can list the ticket again",
};
/// An unpaid hold expires on time.
pub const HOLD_EXPIRY: Invariant = Invariant {
    number: 6,
    name: "hold-expiry",
    advice: "no harm is left if the order has ended; compare the clocks of the instances",
};
/// Every version has exactly one change event, which was published.
pub const ONE_EVENT: Invariant = Invariant {
    number: 8,
    name: "one-event",
    advice: "the service publishes the event once it runs and reaches NATS; see OutboxStalled in docs/runbook.md",
};
/// Every replica equals its owner's entity.
pub const REPLICAS: Invariant = Invariant {
    number: 9,
    name: "replicas",
    advice: "the owner has lost the entity, and its state is not in two databases: restore a newer backup of all",
};
/// Statuses change only along legal transitions, also those of each seat.
pub const TRANSITIONS: Invariant = Invariant {
    number: 11,
    name: "transitions",
    advice: "compare the entity's events (`nats stream view`) with its owner; a status that was left needs a person's decision",
};
/// The ledger balances.
pub const LEDGER: Invariant = Invariant {
    number: 12,
    name: "ledger",
    advice: "compare the payment with the payment provider's dashboard, which decides",
};
/// Payments agree with the provider's intents.
pub const PROVIDER: Invariant = Invariant {
    number: 12,
    name: "provider",
    advice: "compare the payment with the payment provider's dashboard, which decides",
};
/// The terms of an order never change, and its price is the one that its seats were reserved at.
pub const TERMS: Invariant = Invariant {
    number: 13,
    name: "terms",
    advice: "compare the order's events with the listing's; what the buyer was shown is what counts",
};
/// No message stays unhandled, and there is no dead letter.
pub const NO_BACKLOG: Invariant = Invariant {
    number: 14,
    name: "no-backlog",
    advice: "look at the consumer's service and its log; list the dead letters with `ticketctl dead-letters list`",
};
/// The owner has every version that was published.
pub const OWNED: Invariant = Invariant {
    number: 16,
    name: "owned",
    advice: "the owner lost what it had published: restore a newer backup, or let it write its state above that version",
};

/// Every listing belongs to a show that exists and was not merged into another one. A listing of a cancelled show can't
/// be ordered. A listing of a moved show can't be ordered for another time than that of the show, unless some of its
/// seats are held, sold or withdrawn.
pub const SHOWS: Invariant = Invariant {
    number: 19,
    name: "shows",
    advice: "the listings of a show follow it when it is announced: resync tickets with the id of the show",
};

/// The invariants that the audit checks, by number.
pub const AUDITED: [Invariant; 17] = [
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
    TRANSITIONS,
    LEDGER,
    PROVIDER,
    TERMS,
    NO_BACKLOG,
    OWNED,
    SHOWS,
];

/// The invariants that are checked in part or wholly at NATS.
pub const AT_NATS: [Invariant; 5] = [ONE_EVENT, TRANSITIONS, TERMS, NO_BACKLOG, OWNED];

/// What an operator can do about violations of the invariant with this number and name that no command repairs.
pub fn advice(number: u8, name: &str) -> &'static str {
    let is_it = |invariant: &&Invariant| (invariant.number, invariant.name) == (number, name);
    AUDITED.iter().find(is_it).map_or("", |invariant| invariant.advice)
}
