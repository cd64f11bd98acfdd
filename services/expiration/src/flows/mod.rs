//! Use cases with more than one caller.

pub mod fire_due;
pub mod reconcile_timer;
