//! Use cases with more than one caller.

pub mod reconcile_order;
