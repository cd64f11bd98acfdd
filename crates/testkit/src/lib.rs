//! Real servers, the gateway and the whole fleet, for tests and for `cargo xtask`.
//!
//! The feature `app` adds the in-process harness for services' tests. Without it, this crate depends on
//! no other crate of the workspace, so that xtask compiles early.
#![allow(clippy::disallowed_methods, reason = "this crate starts processes and reads the environment")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking"))]

#[cfg(feature = "app")]
pub mod app;
pub mod certificates;
pub mod fleet;
pub mod gateway;
pub mod proc;
pub mod proxy;
pub mod servers;
pub mod tools;
