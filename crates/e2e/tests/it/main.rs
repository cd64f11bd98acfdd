//! Tests that need the whole fleet, and tests of its programs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests may panic, and spawn what they like"
)]

mod abuse;
mod away;
mod browser;
mod configuration;
mod contention;
mod dead_letters;
mod drain;
mod failover;
mod faults;
mod gateway;
mod generated_client;
mod growth;
mod journey;
mod limits;
mod nats_users;
mod operations;
mod operator;
mod reads;
mod resync;
mod tour;
mod traces;
