//! One request id, one span, one log line and one metric per request.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use common::error::Error;
use http::{HeaderName, HeaderValue, Method};
use tracing::Instrument;

use crate::telemetry;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request, as the client sees it in `x-request-id`.
#[derive(Debug, Clone, Default)]
pub struct RequestId(pub String);

/// Gives the request its id, then logs and measures how it ended.
pub(crate) async fn request(mut request: Request, next: Next) -> Response {
    let id = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).filter(|id| is_plausible(id));
    let id = id.map_or_else(|| uuid::Uuid::now_v7().to_string(), ToOwned::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    // The path and not the query: a query may hold what somebody searched for.
    let span = tracing::info_span!("request", request.id = %id, http.method = method, http.route = route);
    if let Some(parent) = request.headers().get("traceparent").and_then(|value| value.to_str().ok()) {
        telemetry::continue_trace(&span, parent);
    }
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    let elapsed = started.elapsed();
    let status = response.status().as_u16();
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    span.in_scope(|| log(&response, status, elapsed.as_secs_f64() * 1000.0));
    let labels = [("method", method.to_owned()), ("route", route), ("status", status.to_string())];
    metrics::histogram!("http_request_duration_seconds", &labels).record(elapsed.as_secs_f64());
    response
}

/// The method, or `other`: HTTP lets a client invent one, and a label that a stranger chooses makes series for ever.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn log(response: &Response, status: u16, took: f64) {
    let error = response.extensions().get::<Error>();
    let cause = match error {
        Some(Error::Internal(cause) | Error::Unavailable(Some(cause))) => Some(telemetry::causes(cause.as_ref())),
        _ => None,
    };
    match (status, cause) {
        (500.., Some(cause)) => tracing::error!(http.status = status, took.ms = took, cause, "request failed"),
        (500.., None) => tracing::warn!(http.status = status, took.ms = took, "request refused for now"),
        (400.., _) => tracing::info!(http.status = status, took.ms = took, "request refused"),
        _ => tracing::debug!(http.status = status, took.ms = took, "request answered"),
    }
}

/// A client may name its request, in a form that can't harm a log.
fn is_plausible(id: &str) -> bool {
    (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
