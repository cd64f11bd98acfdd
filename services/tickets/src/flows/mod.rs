//! Use cases with more than one caller.

pub(crate) mod change_listing;
pub(crate) mod edit_listing;
pub(crate) mod ensure_not_listed;
pub(crate) mod follow_show;
pub(crate) mod join_show;
pub(crate) mod reconcile_changed;
pub(crate) mod reconcile_ticket;
pub(crate) mod spread_show;
