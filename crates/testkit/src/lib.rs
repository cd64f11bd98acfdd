//! Real servers, the gateway and the whole fleet, for tests and for `cargo xtask`.
//!
//! Without the feature `app` this crate knows nothing of the workspace's other crates, so that
//! xtask compiles early; the in-process harness for services' tests is behind that feature.
#![allow(clippy::disallowed_methods, reason = "this crate starts processes and reads the environment for a living")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking"))]

#[cfg(feature = "app")]
pub mod app;
pub mod fleet;
pub mod gateway;
pub mod servers;
pub mod tools;
