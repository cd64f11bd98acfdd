//! The rules, pure: no async, no clock, no I/O.

pub mod declined;
pub mod intent;
pub mod ledger;
pub mod method;
pub mod orphans;
pub mod payment;
pub mod reconcile;
#[cfg(test)]
mod tests;
