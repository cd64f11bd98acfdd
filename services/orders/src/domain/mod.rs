//! The rules, pure: no async, no clock, no I/O.

pub mod holds;
pub mod order;
pub mod pass;
pub mod reconcile;

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod transitions;
