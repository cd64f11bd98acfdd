//! Integration tests of the expiration service against real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod anti_entropy;
mod firing;
mod growth;
mod orders;
mod startup;
mod support;
