//! Tests that need the whole fleet or its binaries.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests may panic and spawn tasks"
)]

mod abuse;
mod audit;
mod audit_streams;
mod browser;
mod budget;
mod cancelled_show;
mod chaos;
mod configuration;
mod contention;
mod dead_letters;
mod drain;
mod failover;
mod faults;
mod follow;
mod gateway;
mod generated_client;
mod journey;
mod limits;
mod managed_mongodb;
mod mass_expiry;
mod nats_users;
mod operations;
mod operator;
mod outages;
mod purchase;
mod reads;
mod repair;
mod resync;
mod scaling;
mod tour;
mod traces;
