//! Puts the layers around a service's routes, in the order that makes every answer a proper one.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use common::error::Error;
use http::{HeaderName, HeaderValue, header};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::settings::HttpSettings;
use super::{address, cross_site, observe, problems};
use crate::limits::layer::{self, Limiter};

/// The largest body that is read, in bytes.
pub const BODY_LIMIT: usize = 1 << 20;
/// The most that the headers of a request may have, names and values together, in bytes. What is far more than that
/// no route sees: the connection is ended with a bare 431.
const HEADERS_LIMIT: usize = 32 << 10;

/// The routes within the shell.
pub(crate) fn wrap(routes: Router, rules: Arc<HttpSettings>, limits: Option<Arc<Limiter>>) -> Router {
    let header = |name: &'static str, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let mut routes =
        routes.fallback(async || Error::NotFound).method_not_allowed_fallback(async || Error::MethodNotAllowed);
    if let Some(limits) = limits {
        routes = routes.layer(middleware::from_fn_with_state(limits, layer::limit));
    }
    routes
        // The last layer is the outermost.
        .layer(middleware::from_fn_with_state(Arc::clone(&rules), gate))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(Arc::clone(&rules), cross_site::refuse))
        .layer(CatchPanicLayer::custom(|panic: Box<dyn std::any::Any + Send>| {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Error::internal_message(format!("panic: {}", text.unwrap_or_default())).into_response()
        }))
        .layer(middleware::from_fn_with_state(Arc::clone(&rules), problems::render))
        .layer(header("x-content-type-options", "nosniff"))
        .layer(header("referrer-policy", "strict-origin-when-cross-origin"))
        .layer(header("x-frame-options", "DENY"))
        .layer(header("content-security-policy", "default-src 'none'; frame-ancestors 'none'"))
        .layer(header("cache-control", "no-store"))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(observe::request))
        .layer(middleware::from_fn_with_state(rules, address::resolve))
}

/// Refuses what is too large, and everything while the indexes that keep the promises do not stand; ends what takes
/// too long.
async fn gate(State(rules): State<Arc<HttpSettings>>, request: Request, next: Next) -> Response {
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len());
    if headers.sum::<usize>() > HEADERS_LIMIT {
        return Error::HeadersTooLarge.into_response();
    }
    // A body that says that it is too large need not be sent.
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > BODY_LIMIT as u64) {
        return Error::TooLarge.into_response();
    }
    if !rules.readiness.indexes_stand() {
        return Error::Unavailable(None).into_response();
    }
    // A WebSocket's upgrade is answered at once; the stream itself outlives this.
    match tokio::time::timeout(rules.timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::TimedOut.into_response(),
    }
}
