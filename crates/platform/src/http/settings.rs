//! What the layers of the middleware share.

use axum::response::Response;
use common::problem::Problem;

use crate::config::Config;
use crate::context::Readiness;

/// Renders an error as an HTML page.
pub type ErrorPage = fn(&Problem) -> Response;

/// What the layers need.
pub(crate) struct HttpSettings {
    pub(crate) config: Config,
    pub(crate) readiness: Readiness,
    pub(crate) error_page: Option<ErrorPage>,
    /// Webhook paths, exempt from the cross-site check.
    pub(crate) webhooks: &'static [&'static str],
}
