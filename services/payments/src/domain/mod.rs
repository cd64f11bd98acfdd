//! The domain rules. Pure: no async, no clock, no I/O.

pub mod decline_reason;
pub mod first_response;
pub mod intent;
pub mod ledger;
pub mod orphans;
mod payload;
pub mod payment;
pub mod reconcile;

#[cfg(test)]
mod convergence_tests;
