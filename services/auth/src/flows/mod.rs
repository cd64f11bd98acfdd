//! Use cases with more than one caller.

pub mod check_password;
pub mod open_session;
