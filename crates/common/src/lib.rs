//! The vocabulary that the services share, in reading order: ids, time, money, text, errors, identity, events,
//! and the HTTP contract.
//!
//! Nothing here does I/O: no database, no broker, no network. A service that wants to speak with
//! this marketplace from outside can depend on this crate alone.

pub mod aggregate;
pub mod api;
pub mod clock;
pub mod error;
pub mod events;
pub mod id;
pub mod identity;
pub mod money;
pub mod problem;
pub mod text;
pub mod timestamp;
pub mod validate;
