//! The route table.

mod create;
mod list;
mod listing_json;
mod read;
mod update;
mod view;
mod withdraw;

use axum::Router;
use platform::http::openapi;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// All routes, and their OpenAPI document.
pub(crate) fn table() -> (Router<AppState>, OpenApi) {
    let routes = OpenApiRouter::new().routes(routes!(create::create, list::list)).routes(routes!(
        read::read,
        update::update,
        withdraw::withdraw
    ));
    openapi::mount(routes, "Tickets", "/api/tickets/openapi.json", common::api::tickets::ROUTES)
}
