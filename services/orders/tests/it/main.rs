//! The orders service on real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod anti_entropy;
mod cancelling;
mod contention;
mod contract;
mod deliveries;
mod delivery_order;
mod expiring;
mod gauges;
mod holding;
mod lifecycle;
mod passes;
mod placing;
mod query_cost;
mod reading;
mod scenarios;
mod seats;
mod shows;
mod support;
