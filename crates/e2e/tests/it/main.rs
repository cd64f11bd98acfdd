//! Tests that need the whole fleet, and tests of its programs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests may panic, and spawn what they like"
)]

mod configuration;
mod contention;
mod drain;
mod gateway;
mod journey;
mod tour;
