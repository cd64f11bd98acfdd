//! The platform under a small demo service, on real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests may panic, and may spawn what they await"
)]

mod announce;
mod away;
mod config;
mod consumer;
mod demo;
mod drain;
mod gauges;
mod hang_up;
mod idempotency;
mod limits;
mod outbox;
mod reads;
mod replica;
mod replicated;
mod resync;
mod scan;
mod server;
mod shell;
mod store;
mod streams;
