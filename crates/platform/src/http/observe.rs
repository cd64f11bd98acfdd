//! Gives each request an id, a trace span, a log line and a sample of its duration.

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

/// Gives the request its id, then logs the outcome and records the duration.
pub(crate) async fn request(mut request: Request, next: Next) -> Response {
    let id = request.headers().get(HEADER).and_then(|value| value.to_str().ok()).filter(|id| is_plausible(id));
    let id = id.map_or_else(|| uuid::Uuid::now_v7().to_string(), ToOwned::to_owned);
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = method_label(request.method());
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    // The span omits the query, which may contain what somebody searched for.
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

/// The method, or `other`: a client can invent methods, and each label value is a permanent metric series.
fn method_label(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

fn log(response: &Response, status: u16, took: f64) {
    let cause = match response.extensions().get::<Error>() {
        Some(Error::Internal(cause) | Error::Unavailable(Some(cause))) => Some(telemetry::causes(cause.as_ref())),
        _ => None,
    };
    match (status, cause) {
        (500.., Some(cause)) => tracing::error!(http.status = status, took.ms = took, cause, "request failed"),
        (500.., None) => tracing::warn!(http.status = status, took.ms = took, "request failed; the client may retry"),
        (400.., _) => tracing::info!(http.status = status, took.ms = took, "request rejected"),
        _ => tracing::debug!(http.status = status, took.ms = took, "request handled"),
    }
}

/// Whether a request id from a client is safe to log.
fn is_plausible(id: &str) -> bool {
    (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}
