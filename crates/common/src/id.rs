//! Typed identifiers: UUIDv7, so that ids sort by creation time and indexes stay compact.
//!
//! # Why
//! Ids are stored and sent as strings (36 characters, lower case, hyphenated): an operator can paste an id from a log
//! into a database shell, and strings sort in the same order as the ids.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::string_form::{serde_as_string, string_schema};

/// The text is not a hyphenated UUID of 36 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID such as 01890a5d-ac96-774b-bcce-b302099a8057")]
pub struct InvalidId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, greater than all ids that this process created before.
            #[expect(clippy::new_without_default, reason = "a default id would be a new one each time")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The id with this value.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The bare UUID.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            /// Rejects other notations (braces, URN, no hyphens), so that each entity has one URL.
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let uuid = (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten();
                uuid.map(Self).ok_or(InvalidId)
            }
        }

        serde_as_string!($name);
        string_schema!($name, format "uuid", example "01970000-0000-7000-8000-000000000001");
    )*};
}

ids! {
    /// A user account, owned by `auth`.
    UserId;
    /// A session of a user on one device, owned by `auth`.
    SessionId;
    /// A listing, owned by `tickets`.
    TicketId;
    /// A show, owned by `tickets`.
    ShowId;
    /// An order: a hold on a ticket that may become a purchase. Owned by `orders`.
    OrderId;
    /// One attempt to pay for an order, owned by `payments`.
    PaymentId;
    /// A published event; the de-duplication key.
    EventId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_parsed() {
        let id = TicketId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "1", "01890a5dac96774bbcceb302099a8057", "{01890a5d-ac96-774b-bcce-b302099a8057}"] {
            assert_eq!(text.parse::<TicketId>(), Err(InvalidId), "{text}");
        }
    }

    #[test]
    fn later_ids_are_greater() {
        let ids: Vec<_> = (0..1000).map(|_| OrderId::new()).collect();
        assert!(ids.is_sorted());
    }
}
