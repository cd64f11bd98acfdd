//! Random schedules: the real handlers of all services, two instances of each, with a network, a clock
//! and a card network that do what a seed says.
//!
//! Nothing runs by itself. A [`schedule`] decides at every step which message is delivered, to which
//! instance, how far a handler gets before it is left lying or dies, and what the clock says; the
//! [`scenarios`] are what people do meanwhile. A scenario whose end is settled must end as in the straight
//! run ([`outcome`]); every scenario must keep what holds whatever happens ([`truth`]).
//!
//! In reading order: [`fleet`], [`network`], [`activity`], [`people`], [`scenarios`], [`schedule`],
//! [`outcome`], [`truth`], [`run`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    clippy::print_stdout,
    reason = "it fails tests, which is done by panicking, tells their seeds, and stands outside the platform and its rules"
)]

pub mod activity;
pub mod card_network;
pub mod clock;
pub mod fleet;
pub mod network;
pub mod outcome;
pub mod people;
pub mod run;
pub mod scenarios;
pub mod schedule;
pub mod truth;
