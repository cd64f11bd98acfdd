//! The tickets service on real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests may panic, and may spawn what they await"
)]

mod contract;
mod create;
mod growth;
mod healing;
mod list;
mod orders;
mod process;
mod queries;
mod races;
mod read;
mod repeats;
mod search;
mod shell;
mod stories;
mod support;
mod update;
mod withdraw;
