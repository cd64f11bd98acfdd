//! The route table. A page is one file here and one template beside it.

pub mod error;
pub mod home;
pub mod layout;
pub mod orders;
pub mod ticket;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::assets;
use crate::state::State;
use crate::viewer;

/// All routes, with the document that describes the pages.
pub fn table(state: &State) -> (Router<State>, OpenApi) {
    let pages = OpenApiRouter::new()
        .routes(routes!(home::home))
        .routes(routes!(ticket::ticket))
        .routes(routes!(orders::orders))
        .route_layer(from_fn_with_state(state.clone(), viewer::resolve));
    let (pages, document) = pages.split_for_parts();
    (pages.route("/assets/{name}", get(assets::serve)).route("/robots.txt", get(robots)), document)
}

/// GET /robots.txt: pages are for everyone, and the API is not a page.
async fn robots() -> &'static str {
    "User-agent: *\nDisallow: /api/\nDisallow: /orders\n"
}
