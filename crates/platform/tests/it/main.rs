//! Tests of the platform with a small demo service, on real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests may panic, and may spawn what they await"
)]

mod announce;
mod claims;
mod client_disconnect;
mod config;
mod consumer;
mod demo;
mod drain;
mod gauges;
mod groups;
mod limits;
mod mongodb_outage;
mod outbox;
mod outbox_removal;
mod raise;
mod read_concern;
mod replica;
mod replica_set;
mod resync;
mod scan;
mod server;
mod shell;
mod store;
mod streams;
mod tls;
mod turns;
