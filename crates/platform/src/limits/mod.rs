//! Rate limits: how many requests per minute an account, or a guest's address, may send, by class of route.
//!
//! In reading order: [`class`], [`settings`], [`layer`], [`counters`], `redis_counters`, [`marker`].
//!
//! # Why
//! Every request counts once, in the service that does the work. `web` counts pages and writes to its own data. The
//! owner of an entity counts commands, including those that `web` sends for a submitted form. To `web` itself such a
//! form counts as a read, or not at all. Reads that `web` sends for a page that it has counted are marked, so that the
//! owner does not count them again. Signed-in users are counted by account only, since an office or a phone network may
//! share one address. Guests are counted by address, in one class for all routes.
//!
//! Redis shares the counts between instances, and is optional: a request waits 20 ms for it at most
//! (`LIMIT_REDIS_TIMEOUT`). While it is unavailable, each instance counts on its own, from the last known counts. A
//! window starts with the first request and lasts a minute, by the Redis server's clock.

pub mod class;
pub mod counters;
pub mod layer;
pub mod marker;
pub(crate) mod redis_counters;
pub mod settings;
