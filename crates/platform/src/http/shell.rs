//! The middleware around a service's routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use common::error::Error;
use http::{HeaderName, HeaderValue, header};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate as _};

use super::settings::HttpSettings;
use super::{address, cross_site, observe, problems};
use crate::limits::layer::{self, Limiter};

/// Maximum size of a request body in bytes.
pub const BODY_LIMIT: usize = 1 << 20;
/// Maximum size of the names and values of a request's headers in bytes. hyper rejects far larger ones with a bare 431.
const HEADERS_LIMIT: usize = 32 << 10;
/// Maximum number of a request's headers. hyper rejects more than 1,024 with a bare 431.
const HEADER_COUNT_LIMIT: usize = 100;
/// The headers of every response that does not have its own.
static DEFAULT_HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Wraps the routes in the middleware. `around` adds the service's own, which also sees the rendered errors.
pub(crate) fn wrap(
    routes: Router,
    settings: Arc<HttpSettings>,
    limiter: Option<Arc<Limiter>>,
    around: impl FnOnce(Router) -> Router,
) -> Router {
    // In each stack the first layer is the outermost. A stack is one layer of the router: for each request the router
    // clones all layers that are inside a layer of its own, for every such layer again.
    let inner = ServiceBuilder::new()
        .layer(middleware::from_fn_with_state(Arc::clone(&settings), problems::render))
        .layer(CatchPanicLayer::custom(|panic: Box<dyn std::any::Any + Send>| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Error::internal_message(format!("panic: {}", text.unwrap_or_default())).into_response()
        }))
        .layer(middleware::from_fn_with_state(Arc::clone(&settings), cross_site::reject))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(Arc::clone(&settings), guard))
        .option_layer(limiter.map(|limiter| middleware::from_fn_with_state(limiter, layer::limit)));
    // Fonts are compressed already.
    let is_compressed = DefaultPredicate::new().and(NotForContentType::const_new("font/"));
    let outer = ServiceBuilder::new()
        .layer(middleware::from_fn_with_state(settings, address::resolve))
        .layer(middleware::from_fn(observe::request))
        .layer(CompressionLayer::new().compress_when(is_compressed))
        .map_response(add_default_headers);
    let routes =
        routes.fallback(async || Error::NotFound).method_not_allowed_fallback(async || Error::MethodNotAllowed);
    around(routes.layer(inner)).layer(outer)
}

/// Adds the headers that every response has, unless the response has its own.
fn add_default_headers(mut response: Response) -> Response {
    for (name, value) in &DEFAULT_HEADERS {
        response.headers_mut().entry(name).or_insert_with(|| value.clone());
    }
    response
}

/// Rejects requests that are too large, and all requests until the indexes exist; applies the request timeout.
async fn guard(State(settings): State<Arc<HttpSettings>>, request: Request, next: Next) -> Response {
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    if headers.sum::<usize>() > HEADERS_LIMIT || request.headers().len() > HEADER_COUNT_LIMIT {
        return Error::HeadersTooLarge.into_response();
    }
    // Rejects a body by its declared length, before the client sends it.
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > BODY_LIMIT as u64) {
        return Error::TooLarge.into_response();
    }
    if !settings.readiness.indexes_built() {
        return Error::Unavailable(None).into_response();
    }
    // For a WebSocket the timeout only covers the upgrade.
    match tokio::time::timeout(settings.config.request_timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::TimedOut.into_response(),
    }
}
