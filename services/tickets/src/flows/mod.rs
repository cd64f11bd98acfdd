//! Use cases with more than one caller.

pub(crate) mod change_listing;
pub(crate) mod reconcile_ticket;
