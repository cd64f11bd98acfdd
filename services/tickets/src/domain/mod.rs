//! The rules, pure: no async, no clock, no I/O.

pub(crate) mod reconcile;
pub(crate) mod search_tokens;
pub mod ticket;

#[cfg(test)]
mod convergence_tests;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod transition_table_tests;
