//! Integration tests of the auth service against real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod access_tokens;
mod account;
mod contract;
mod csrf_and_cookies;
mod password;
mod refresh;
mod roles;
mod sessions;
mod sign_in;
mod sign_up;
mod startup;
mod support;
mod throttling;
mod ttl_and_resync;
