//! Use cases with more than one caller.

pub mod fire_due;
pub(crate) mod reconcile_timer;
