//! The route table.

mod check;
mod create;
mod duplicate_seats;
mod list;
mod listing_json;
mod read;
mod shows;
mod update;
mod view;
mod withdraw;

use axum::Router;
use common::api::tickets::{CheckListing, CheckReplacement};
use common::api::{self, Endpoint as _};
use platform::http::openapi;
use platform::limits::class::{RateClass, RateClasses};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// Checks count as reads: they store nothing, and `web` sends one whenever a seller opens the page with the preview.
pub(crate) const RATE_CLASSES: RateClasses =
    &[("POST", CheckListing::PATH, Some(RateClass::Reads)), ("POST", CheckReplacement::PATH, Some(RateClass::Reads))];

/// All routes, and their OpenAPI document.
pub(crate) fn table() -> (Router<AppState>, OpenApi) {
    let routes = OpenApiRouter::new()
        .routes(routes!(create::create, list::list))
        .routes(routes!(check::check_listing))
        .routes(routes!(check::check_replacement))
        .routes(routes!(duplicate_seats::duplicate_seats))
        .routes(routes!(read::read, update::update, withdraw::withdraw))
        .routes(routes!(shows::list::list_shows))
        .routes(routes!(shows::read::read_show, shows::replace::replace_show))
        .routes(routes!(shows::tickets::list_show_tickets))
        .routes(routes!(shows::merge::merge_show))
        .routes(routes!(shows::cancel::cancel_show));
    let contract = [api::tickets::ROUTES, api::shows::ROUTES].concat();
    openapi::mount(routes, "Tickets", "/api/tickets/openapi.json", &contract)
}
