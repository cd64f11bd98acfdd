//! The server over HTTP, one module per subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests"
)]

mod async_stripe;
mod binary;
mod client;
mod errors;
mod faults;
mod fixtures;
mod idempotency;
mod intents;
mod lists;
mod python_sdk;
mod refunds;
mod three_d_secure;
mod webhooks;
