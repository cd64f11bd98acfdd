//! The whole fleet as its users and its operators meet it: a shop, its people, and what must hold.
//!
//! In reading order: [`exchange`], [`journal`], [`person`], [`shop`], [`traffic`], [`invariants`].
#![allow(clippy::indexing_slicing, reason = "indexing JSON gives null for what is not there")]

pub mod exchange;
pub mod invariants;
pub mod journal;
pub mod person;
pub mod shop;
pub mod traffic;
