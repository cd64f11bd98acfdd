//! The route table.

mod cancel;
mod create;
mod jwks;
mod list;
mod pass;
mod read;
mod view;

use axum::Router;
use platform::http::openapi;
use platform::limits::class::{Class, Classes};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::State;

/// What is more than a write.
pub const CLASSES: Classes = &[("POST", "/api/orders", Some(Class::Orders))];

/// All routes, with the document that describes them.
pub fn table() -> (Router<State>, OpenApi) {
    let routes = OpenApiRouter::new()
        .routes(routes!(create::create, list::list))
        .routes(routes!(read::read, cancel::cancel))
        .routes(routes!(pass::pass))
        .routes(routes!(jwks::jwks));
    openapi::mount(routes, "Orders", "/api/orders/openapi.json", common::api::orders::ROUTES)
}
