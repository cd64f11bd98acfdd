//! Use cases with more than one caller.

pub mod change_listing;
pub mod reconcile_ticket;
