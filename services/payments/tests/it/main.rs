//! The payments service on real servers, with fakestripe as the card network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests may panic, and start a server of their own"
)]

mod after_the_end;
mod attempts;
mod capture;
mod contract;
mod deliveries;
mod fates;
mod measured;
mod orphans;
mod pay;
mod reconciler;
mod refusals;
mod repeats;
mod retention;
mod support;
mod three_d_secure;
mod webhooks;
