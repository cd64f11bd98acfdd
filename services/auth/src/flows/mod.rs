//! Use cases with more than one caller.

pub mod open_session;
