//! The domain rules. Pure: no async, no clock, no I/O. [`choice`] chooses the seats of an order; [`holds`] limits what
//! one buyer may hold; [`place`] makes an order; [`pass`] is the signed code that lets the buyer of a completed order
//! into the venue.

pub mod choice;
pub mod holds;
pub mod order;
pub mod pass;
pub mod place;
pub mod reconcile;

#[cfg(test)]
mod convergence_tests;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod transition_table_tests;
