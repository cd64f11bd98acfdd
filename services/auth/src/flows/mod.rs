//! Use cases with more than one caller.

pub(crate) mod check_password;
pub(crate) mod open_session;
