//! How many requests one account, or one guest's address, may send a minute, by class of route.
//!
//! In reading order: [`class`], [`settings`], [`layer`], [`counters`], [`shared`], [`marker`].
//!
//! # Why
//! Who answers a request counts it, once: web its pages and what it keeps itself, an owner the commands, also those
//! that come by way of one of web's forms, which web does not count. What web asks of an owner for a page that it has
//! counted is marked as counted. Signed-in people are counted by account alone, since a whole office or a phone
//! network may be behind one address; a guest is its address, whatever it asks.
//!
//! Redis makes instances count together and is never needed: it gets 20 ms of a request (`LIMIT_REDIS_TIMEOUT`), and while it is away
//! each instance counts alone, from what it knows. A window begins with the first request and lasts a minute, by
//! Redis' own clock.

pub mod class;
pub mod counters;
pub mod layer;
pub mod marker;
pub mod settings;
pub(crate) mod shared;
