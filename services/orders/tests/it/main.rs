//! The orders service on real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod announcing;
mod cancelling;
mod contention;
mod contract;
mod deliveries;
mod expiring;
mod gauges;
mod holding;
mod journey;
mod passes;
mod placing;
mod reading;
mod reordering;
mod repeats;
mod support;
mod told;
