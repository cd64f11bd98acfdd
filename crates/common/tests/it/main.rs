//! The contracts: what other programs may rely on, and what nobody may forge.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests may panic and read their own environment"
)]

mod compare;
mod errors;
mod fixtures;
mod identity;
mod schemas;
mod validate;
mod values;

use std::path::PathBuf;

/// A folder of this crate.
fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Whether the checked-in contracts are to be written anew, as far as that is allowed.
fn updating() -> bool {
    std::env::var_os("UPDATE_CONTRACTS").is_some()
}
