//! What is said about things on pages, pure: no async, no clock, no I/O.

pub mod calendar;
pub mod checkout;
pub mod chips;
pub mod filter;
pub mod form;
pub mod history;
pub mod listing;
pub mod moment;
pub mod notice;
pub mod offer;
pub mod qr;
pub mod search;
pub mod sort;
pub mod typo;
pub mod wall_time;
