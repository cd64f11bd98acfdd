//! The route table.

mod cancel;
mod create;
mod jwks;
mod list;
mod passes;
mod read;
mod to_refund;
mod view;

use axum::Router;
use common::api::Endpoint as _;
use common::api::orders::CreateOrder;
use platform::http::openapi;
use platform::limits::class::{RateClass, RateClasses};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// The routes that count for more than an ordinary write in rate limits.
pub const RATE_CLASSES: RateClasses = &[("POST", CreateOrder::PATH, Some(RateClass::Orders))];

/// All routes, with their OpenAPI document.
pub fn table() -> (Router<AppState>, OpenApi) {
    let routes = OpenApiRouter::new()
        .routes(routes!(create::create, list::list))
        .routes(routes!(read::read, cancel::cancel))
        .routes(routes!(passes::pass))
        .routes(routes!(passes::passes))
        .routes(routes!(to_refund::to_refund))
        .routes(routes!(jwks::jwks));
    openapi::mount(routes, "Orders", "/api/orders/openapi.json", common::api::orders::ROUTES)
}
