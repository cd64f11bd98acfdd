//! The rules, pure: no async, no clock, no I/O.

pub mod reconcile;
pub mod ticket;
pub mod words;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod transitions;
#[cfg(test)]
mod world;
