//! The HTTP layer: the middleware around a service's routes, extractors, the OpenAPI document and the server.

pub mod address;
pub mod admin;
pub mod cross_site;
pub mod extract;
pub(crate) mod metrics;
pub mod observe;
pub mod openapi;
pub mod problem_responses;
pub(crate) mod problems;
pub(crate) mod run_to_completion;
pub mod server;
pub mod settings;
pub mod shell;
pub mod versions;
