//! The `ticketctl` commands that repair findings. Each sends a request to the service that owns the entity; none writes
//! to a database itself.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

/// A command that may repair a finding. The variants are in the order in which commands must run: first owners recover
/// the entities that they lost, then replicas receive what they lack, and then payments and reservations without a
/// valid order are undone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase")]
pub enum Remedy {
    /// The owner writes the entity again at a version above that of its replicas.
    Raise {
        /// The name of the owning service.
        owner: String,
        /// The id of the entity.
        id: String,
    },
    /// The owner publishes the present state of the entity again.
    Resync {
        /// The name of the owning service.
        owner: String,
        /// The id of the entity.
        id: String,
    },
    /// `payments` voids or refunds the payment.
    Void {
        /// The id of the payment.
        payment: String,
    },
    /// `tickets` ends the reservation of a listing's seats for an order.
    Release {
        /// The id of the listing.
        ticket: String,
        /// The id of the order.
        order: String,
    },
}

impl Remedy {
    pub(super) fn raise(owner: &str, id: &str) -> Self {
        Self::Raise { owner: owner.to_owned(), id: id.to_owned() }
    }

    pub(super) fn resync(owner: &str, id: &str) -> Self {
        Self::Resync { owner: owner.to_owned(), id: id.to_owned() }
    }

    pub(super) fn void(payment: &str) -> Self {
        Self::Void { payment: payment.to_owned() }
    }

    pub(super) fn release(ticket: &str, order: &str) -> Self {
        Self::Release { ticket: ticket.to_owned(), order: order.to_owned() }
    }
}

impl Display for Remedy {
    /// The command line that runs this remedy alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raise { owner, id } => write!(f, "ticketctl raise {owner} {id}"),
            Self::Resync { owner, id } => write!(f, "ticketctl resync {owner} --ids {id}"),
            Self::Void { payment } => write!(f, "ticketctl void {payment}"),
            Self::Release { ticket, order } => write!(f, "ticketctl release {ticket} {order}"),
        }
    }
}
