//! End-to-end test support: a running fleet, its users, a load generator, the invariants, and what instances cost.
//!
//! In reading order: [`exchange`], [`response_log`], [`user_client`], [`fakestripe_client`], [`test_fleet`],
//! [`backlog`], [`members`], [`load`], [`invariants`], [`chaos`], [`database_work`], [`scaling`].
#![allow(clippy::indexing_slicing, reason = "indexing JSON gives null for a missing field")]

pub mod backlog;
pub mod chaos;
pub mod database_work;
pub mod exchange;
pub mod fakestripe_client;
pub mod invariants;
pub mod load;
pub mod members;
pub mod response_log;
pub mod scaling;
pub mod test_fleet;
pub mod user_client;
