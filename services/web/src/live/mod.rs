//! Live pages: what has changed is told to every open page that shows it.
//!
//! # Why
//! One plain NATS subscription per instance, not a durable one: every instance hears everything, and
//! passes it on to the browsers that are connected to it. What is missed meanwhile (a reconnect, a
//! message that NATS dropped) is made good by versions: a page says again and again which versions it
//! shows, and is sent what is newer.

pub mod feed;
pub mod hub;
pub mod message;
pub mod recent;
pub mod socket;
