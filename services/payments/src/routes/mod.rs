//! The route table.

mod create;
mod read;
mod refresh;
mod stripe_webhook;

use axum::Router;
use common::api::Endpoint as _;
use common::api::payments::{CreatePayment, RefreshPayment};
use platform::http::openapi;
use platform::limits::class::{RateClass, RateClasses};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// The path that Stripe posts its events to.
pub const WEBHOOK: &str = "/api/payments/webhooks/stripe";

/// The routes that call the provider, for rate limits.
pub const RATE_CLASSES: RateClasses = &[
    ("POST", CreatePayment::PATH, Some(RateClass::Payments)),
    ("POST", RefreshPayment::PATH, Some(RateClass::Payments)),
];

/// All routes, with their OpenAPI document.
pub fn table() -> (Router<AppState>, OpenApi) {
    let routes = OpenApiRouter::new()
        .routes(routes!(create::create))
        .routes(routes!(read::read))
        .routes(routes!(refresh::refresh))
        .routes(routes!(stripe_webhook::stripe_webhook));
    openapi::mount(routes, "Payments", "/api/payments/openapi.json", common::api::payments::ROUTES)
}
