//! Everything that touches the outside, written once for all services.
//!
//! In reading order: [`run()`](program::run) starts an [`app`] from its [`config`]; [`store`] holds aggregates and
//! their outbox; [`outbox`] brings events to JetStream; [`stream`] brings them to handlers, which
//! end in [`reconcile`]; [`http`] is the shell around a service's routes, [`limits`] is the rate limiter;
//! [`keys`] signs tokens.

pub mod app;
pub mod config;
pub mod context;
mod gauges;
pub mod http;
pub mod keys;
pub mod lifecycle;
pub mod limits;
pub mod mongo;
pub mod outbox;
pub mod parsers;
pub mod program;
pub mod reconcile;
mod retention;
pub mod store;
pub mod stream;
pub mod telemetry;
