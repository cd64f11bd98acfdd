//! The operator's program: backs the fleet up, brings it back, and says whether the books are right.
//!
//! In reading order: [`cli`], [`fleet`], [`services`], `backup`, `restore`, `streams`, [`audit`].
//!
//! # Why
//! It reads and writes all six databases, which no service may, so it runs as MongoDB's root and as the user
//! `operator` of NATS, and only while somebody asked for it. What a service does by itself (announce, look
//! payments up, settle orphans) it asks for on the service's admin port: each rule stands in one place.
#![allow(clippy::print_stdout, reason = "a command line tool talks to its terminal")]
#![allow(clippy::indexing_slicing, reason = "indexing JSON gives null for what is not there")]
#![allow(clippy::disallowed_methods, reason = "stands outside the services and the platform's rules for them")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod audit;
mod backup;
pub mod cli;
pub mod fleet;
mod restore;
pub mod services;
mod streams;
