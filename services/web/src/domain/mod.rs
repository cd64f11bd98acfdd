//! What is said about things on pages, pure: no async, no clock, no I/O.

pub mod history;
pub mod moment;
pub mod offer;
