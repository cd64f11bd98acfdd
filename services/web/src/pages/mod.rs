//! The route table. A page is one file here and one template.

pub mod account;
pub mod after_sign_in;
pub mod browse;
mod browse_choices;
pub mod checkout;
pub mod command_paths;
pub mod crawlers;
pub mod done;
pub mod error;
pub mod hold_intention;
pub mod home;
pub mod information;
pub mod layout;
pub mod manifest;
pub mod notifications;
pub mod offline;
pub mod order;
pub mod orders;
pub mod pass;
pub mod poster;
pub mod receipt;
pub mod sell;
pub mod sell_check;
pub mod sell_draft;
pub mod sell_find;
pub mod sell_page;
pub mod selling;
pub mod show;
pub mod show_watch;
pub mod sign_in;
pub mod sign_up;
pub mod ticket;
pub mod ticket_watch;
pub mod typed_name;
pub mod withdraw;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use platform::limits::class::{RateClass, RateClasses};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::assets;
use crate::live::socket;
use crate::state::AppState;
use crate::viewer;

/// Rate-limit classes. A form submission that becomes a command counts as a read here; the command is limited by the
/// service that handles it. `auth` alone limits sign-in, sign-up and sign-out. Static files are not limited.
pub(crate) const RATE_CLASSES: RateClasses = &[
    ("POST", "/tickets/{id}/hold", Some(RateClass::Reads)),
    ("POST", "/tickets/{id}/withdraw", Some(RateClass::Reads)),
    ("POST", "/sell/drafts/{id}", Some(RateClass::Reads)),
    ("POST", "/orders/{id}/cancel", Some(RateClass::Reads)),
    ("POST", "/account", Some(RateClass::Reads)),
    ("POST", "/account/password", Some(RateClass::Reads)),
    ("POST", "/account/sessions/{id}/revoke", Some(RateClass::Reads)),
    ("POST", "/signin", None),
    ("POST", "/signout", None),
    ("POST", "/signup", None),
    ("GET", "/assets/{name}", None),
    ("GET", "/posters/{name}", None),
    ("GET", "/manifest.webmanifest", None),
    ("GET", "/sw.js", None),
    ("GET", "/robots.txt", None),
];

/// All routes, and the OpenAPI document of the pages.
pub(crate) fn table(state: &AppState) -> (Router<AppState>, OpenApi) {
    let pages = OpenApiRouter::new()
        .routes(routes!(home::home))
        .routes(routes!(browse::browse))
        .routes(routes!(show::show))
        .routes(routes!(show_watch::watch))
        .routes(routes!(show_watch::unwatch))
        .routes(routes!(ticket::ticket))
        .routes(routes!(ticket::hold))
        .routes(routes!(ticket_watch::watch))
        .routes(routes!(ticket_watch::unwatch))
        .routes(routes!(withdraw::withdraw))
        .routes(routes!(sell_find::find))
        .routes(routes!(sell::begin))
        .routes(routes!(sell::begin_edit))
        .routes(routes!(sell::form, sell::save))
        .routes(routes!(sell_check::check, sell_check::list))
        .routes(routes!(selling::selling))
        .routes(routes!(checkout::checkout))
        .routes(routes!(checkout::cancel))
        .routes(routes!(sign_up::sign_up_form, sign_up::sign_up))
        .routes(routes!(sign_in::sign_in_form, sign_in::sign_in))
        .routes(routes!(sign_in::sign_out))
        .routes(routes!(account::account, account::rename))
        .routes(routes!(account::change_password))
        .routes(routes!(account::revoke))
        .routes(routes!(offline::offline))
        .routes(routes!(information::help))
        .routes(routes!(information::terms))
        .routes(routes!(information::privacy))
        .routes(routes!(information::imprint))
        .routes(routes!(notifications::notifications))
        .routes(routes!(notifications::bell))
        .routes(routes!(notifications::hold))
        .routes(routes!(notifications::mark_read))
        .routes(routes!(orders::orders))
        .routes(routes!(order::order))
        .routes(routes!(order::calendar_file))
        .routes(routes!(pass::pass))
        .routes(routes!(receipt::receipt))
        .route("/live", get(socket::live))
        .route_layer(from_fn_with_state(state.clone(), viewer::resolve));
    let (pages, document) = pages.split_for_parts();
    (
        command_paths::with_redirects(pages)
            .route("/assets/{name}", get(assets::serve))
            .route("/posters/{name}", get(poster::poster))
            .route("/manifest.webmanifest", get(manifest::manifest))
            .route("/sw.js", get(offline::service_worker))
            .route("/.well-known/change-password", get(account::password_address))
            .route("/robots.txt", get(crawlers::robots))
            .route("/sitemap.xml", get(crawlers::sitemap_index))
            .route("/sitemaps/{name}", get(crawlers::sitemap)),
        document,
    )
}
