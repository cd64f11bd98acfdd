//! The auth service on real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod access_tokens;
mod account;
mod browsers;
mod configuration;
mod contract;
mod housekeeping;
mod password;
mod refresh;
mod sessions;
mod sign_in;
mod sign_up;
mod support;
mod throttling;
