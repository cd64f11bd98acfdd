//! The web service on real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod browse;
mod commands;
mod events;
mod fuzz;
mod home;
mod live;
mod orders;
mod rebuild;
mod refresh;
mod shell;
mod start;
mod support;
mod ticket;
mod upstream;
