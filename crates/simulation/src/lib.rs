//! Deterministic simulation: the real handlers of all services, two instances of each, under random schedules with
//! fault injection. The network, the clock and the card network are simulated; MongoDB is real.
//!
//! Nothing runs by itself. A `Schedule`, which a seed determines, decides at every step which message is delivered to
//! which instance, how far a handler runs before it is suspended or crashes, and when time advances. The [`scenarios`]
//! are what users do meanwhile. A deterministic scenario must reach the same final state as its reference run, which is
//! in order and without faults; every scenario must keep the invariants.
//!
//! In reading order: [`fleet`], `network`, `task`, `context`, `users`, [`scenarios`], `schedule`, `end_state`,
//! `invariants`, [`runner`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    reason = "test support, which fails by panicking and prints seeds"
)]

mod card_network;
mod clock;
mod context;
mod end_state;
pub mod fleet;
mod invariants;
mod network;
pub mod runner;
pub mod scenarios;
mod schedule;
mod task;
mod users;
