//! The route table.

mod change_password;
mod cookies;
mod current_user;
mod end_session;
mod jwks;
mod list_sessions;
mod refresh;
mod sign_in;
mod sign_out;
mod sign_up;
mod update_me;
mod view;

use axum::Router;
use common::api::Endpoint as _;
use common::api::users::{ChangePassword, SignIn, SignUp};
use platform::http::openapi;
use platform::limits::class::RateClasses;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::state::AppState;

/// Routes exempt from the generic rate limiter, because `store::throttles` limits them.
pub(crate) const RATE_CLASSES: RateClasses =
    &[("POST", SignIn::PATH, None), ("POST", SignUp::PATH, None), ("PUT", ChangePassword::PATH, None)];

/// All routes, and their OpenAPI document.
pub(crate) fn table() -> (Router<AppState>, OpenApi) {
    let routes = OpenApiRouter::new()
        .routes(routes!(sign_up::sign_up))
        .routes(routes!(sign_in::sign_in))
        .routes(routes!(sign_out::sign_out))
        .routes(routes!(current_user::current_user))
        .routes(routes!(update_me::update_me))
        .routes(routes!(change_password::change_password))
        .routes(routes!(refresh::refresh))
        .routes(routes!(list_sessions::list_sessions))
        .routes(routes!(end_session::end_session))
        .routes(routes!(jwks::jwks));
    openapi::mount(routes, "Users", "/api/users/openapi.json", common::api::users::ROUTES)
}
