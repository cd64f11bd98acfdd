//! The rules, pure: no async, no clock, no I/O.

pub mod declined;
pub mod intent;
pub mod ledger;
pub mod method;
pub mod payment;
pub mod reconcile;
pub mod strays;
#[cfg(test)]
mod tests;
