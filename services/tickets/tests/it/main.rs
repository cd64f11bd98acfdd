//! Integration tests of the tickets service against real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests may panic, and may spawn what they await"
)]

mod anti_entropy;
mod contract;
mod create;
mod delivery_order;
mod growth;
mod http_conventions;
mod list;
mod orders;
mod process;
mod queries;
mod races;
mod read;
mod repair;
mod repeats;
mod same_seats;
mod search;
mod seats;
mod show_names;
mod show_races;
mod shows;
mod smoke_test_seller;
mod support;
mod update;
mod withdraw;
