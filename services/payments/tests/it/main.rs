//! The payments service on real servers, with fakestripe as the payment provider.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests may panic, and start their own servers"
)]

mod attempts;
mod capture;
mod contract;
mod declined_archive;
mod deliveries;
mod error_responses;
mod final_payments;
mod indeterminate_calls;
mod metrics;
mod orphans;
mod pay;
mod query_cost;
mod reconciler;
mod repair;
mod support;
mod three_d_secure;
mod webhooks;
