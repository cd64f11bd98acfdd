//! The commands that repair findings. Each asks the owner of the entity to write or announce it; none writes into a
//! database.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

/// A command that may repair a finding. Ordered as they are to be run: first the owners get what they lost, then the
/// replicas what they lack, and then what is still wrong is undone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "camelCase")]
pub enum Remedy {
    /// The owner writes the entity above the version that its replicas have.
    Raise {
        /// The service.
        owner: String,
        /// The entity.
        id: String,
    },
    /// The owner announces the entity.
    Resync {
        /// The service.
        owner: String,
        /// The entity.
        id: String,
    },
    /// `payments` voids or refunds the payment.
    Void {
        /// The payment.
        payment: String,
    },
    /// `tickets` releases the listing.
    Release {
        /// The listing.
        ticket: String,
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

    pub(super) fn release(ticket: &str) -> Self {
        Self::Release { ticket: ticket.to_owned() }
    }
}

impl Display for Remedy {
    /// The command as an operator can run it alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raise { owner, id } => write!(f, "ticketctl raise {owner} {id}"),
            Self::Resync { owner, id } => write!(f, "ticketctl resync {owner} --ids {id}"),
            Self::Void { payment } => write!(f, "ticketctl void {payment}"),
            Self::Release { ticket } => write!(f, "ticketctl release {ticket}"),
        }
    }
}
