//! Use cases with more than one caller.

pub mod await_version;
pub mod notices;
pub mod present_listing;
