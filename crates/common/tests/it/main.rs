//! Contract and security tests of the shared types.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests may panic and read their own environment"
)]

mod errors;
mod fixtures;
mod identity;
mod json_schema;
mod schema_compat;
mod schemas;
mod values;

use std::path::PathBuf;

/// A directory of this crate.
fn directory(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Whether to regenerate the checked-in contracts, as far as the changes are compatible.
fn updating() -> bool {
    std::env::var_os("UPDATE_CONTRACTS").is_some()
}
