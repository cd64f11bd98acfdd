//! Infrastructure shared by all services.
//!
//! In reading order: [`run()`](program::run) starts an [`app`] from its [`config`]; [`store`] stores aggregates and
//! their outbox; [`outbox`] publishes events; [`stream`] delivers them to handlers, which call [`reconcile`]; [`http`]
//! is the middleware around a service's routes; [`limits`] limits request rates; [`keys`] signs tokens.

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
pub mod store;
pub mod stream;
pub mod telemetry;
mod tls;
