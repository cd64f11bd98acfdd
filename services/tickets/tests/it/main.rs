//! The tickets service on real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod contract;
mod create;
mod healing;
mod list;
mod orders;
mod queries;
mod races;
mod read;
mod search;
mod shell;
mod stories;
mod support;
mod update;
mod withdraw;
