//! The rules, pure: no async, no clock, no I/O.

pub(crate) mod follow;
pub mod price;
pub(crate) mod reconcile;
pub(crate) mod search_tokens;
pub mod seats;
pub mod show;
pub mod show_link;
pub mod ticket;
pub(crate) mod ticket_error;

#[cfg(test)]
mod convergence_tests;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod show_tests;
#[cfg(test)]
mod transition_table_tests;
