//! The types that all services share, in reading order: ids, time, money, text, errors, identity, events, and the HTTP
//! API.
//!
//! Nothing here does I/O: no database, no broker, no network. An external client of the marketplace needs no other
//! crate of this repository.

pub mod aggregate;
pub mod api;
pub mod cities;
pub mod clock;
pub mod day;
pub mod error;
pub mod events;
pub mod id;
pub mod identity;
pub mod money;
pub mod problem;
pub mod seats;
mod string_form;
pub mod text;
pub mod timestamp;
pub mod validate;
