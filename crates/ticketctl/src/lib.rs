//! The operator's command line tool: dead letters, resync, rebuild, backup, restore, consistency audit and repair of a
//! fleet, and the history of an order.
//!
//! In reading order: [`cli`], [`output`], `confirm`, `durations`, [`reports`], `fleet`, `services`, `streams`,
//! `dead_letters`, `resync`, `rebuild`, `backup`, `restore`, [`audit`], `follow`, `repair`.
//!
//! # Why
//! The tool reads and writes all six databases, which no service may. It therefore runs as MongoDB's root and as the
//! NATS user `operator`, and only on demand; the repeated audit runs as a user that may only read. A command connects
//! only to what it needs, so that dead letters can be read while MongoDB is down. Operations that a service implements
//! (announcing, querying payments, resolving orphans, repairs) are requested on the service's admin port, so that each
//! rule is implemented once.
#![allow(clippy::print_stdout, reason = "a command line tool talks to its terminal")]
#![allow(clippy::indexing_slicing, reason = "indexing JSON yields null for a missing key")]
#![allow(clippy::disallowed_methods, reason = "not a service: the platform's rules do not apply")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod audit;
mod backup;
pub mod cli;
mod confirm;
mod dead_letters;
mod durations;
mod fleet;
mod follow;
pub mod output;
mod rebuild;
mod repair;
pub mod reports;
mod restore;
mod resync;
mod roles;
mod services;
mod streams;
