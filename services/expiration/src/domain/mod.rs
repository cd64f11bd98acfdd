//! The rules, pure: no async, no clock, no I/O.

pub(crate) mod reconcile;
pub mod timer;
