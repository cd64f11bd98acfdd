//! Live updates: changes are sent to every open page that shows the changed entity.
//!
//! # Why
//! Each instance has one ephemeral NATS subscription, not a durable one: every instance receives all events and sends
//! them to the browsers connected to it. Version reports repair missed messages (during a reconnect, or dropped by
//! NATS): a page periodically reports the versions that it shows, and is sent newer ones.

pub mod feed;
pub mod hub;
pub mod message;
pub mod pending;
pub mod recent;
pub mod socket;
