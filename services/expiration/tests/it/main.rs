//! The expiration service on real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod announcements;
mod firing;
mod growth;
mod orders;
mod start;
mod support;
