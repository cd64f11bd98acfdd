//! The HTTP shell around a service's routes: one place for errors, limits, headers, logs and metrics.

pub mod address;
pub mod admin;
pub mod cross_site;
pub mod extract;
pub(crate) mod finish;
pub mod observe;
pub mod openapi;
pub mod problem_responses;
pub(crate) mod problems;
pub mod server;
pub mod settings;
pub mod shell;
pub mod versions;
