//! Renders errors: as problem details (RFC 9457) under `/api/`, as an HTML page elsewhere.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use common::problem::CONTENT_TYPE;
use http::{HeaderValue, StatusCode, header};

use super::observe::RequestId;
use super::settings::HttpSettings;
use crate::limits::layer;

/// Renders the errors of handlers, extractors, axum and panics.
pub(crate) async fn render(State(settings): State<Arc<HttpSettings>>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned().unwrap_or_default();
    let api = request.uri().path().starts_with("/api/") || request.uri().path() == "/api";
    let response = next.run(request).await;
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let kind = response.headers().get(header::CONTENT_TYPE);
    let error = match response.extensions().get::<Error>().cloned() {
        Some(error) => error,
        // The handler has rendered its own page.
        None if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) => return response,
        None => by_status(response.status()),
    };
    let mut problem = error.problem();
    problem.instance.clone_from(&id.0);
    let mut rendered = if let Some(page) = settings.error_page.filter(|_| !api) {
        page(&problem)
    } else {
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        (error.status(), [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response()
    };
    *rendered.status_mut() = error.status();
    for (name, value) in error_headers(&response, &error) {
        rendered.headers_mut().append(name, value);
    }
    rendered.extensions_mut().insert(error);
    rendered
}

/// The headers of the original response that the rendered one retains.
fn error_headers(response: &Response, error: &Error) -> Vec<(http::HeaderName, HeaderValue)> {
    let mut kept: Vec<_> = [header::ALLOW, header::RETRY_AFTER, header::SET_COOKIE, layer::POLICY, layer::STATE]
        .iter()
        .flat_map(|name| response.headers().get_all(name).iter().map(|value| (name.clone(), value.clone())))
        .collect();
    if matches!(error, Error::Unauthenticated(_)) {
        kept.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Cookie")));
    }
    kept
}

/// The error for a status that axum or a layer returned without an error.
fn by_status(status: StatusCode) -> Error {
    match status {
        StatusCode::NOT_FOUND => Error::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Error::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Error::HeadersTooLarge,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Error::UnsupportedMediaType,
        StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => Error::TimedOut,
        StatusCode::SERVICE_UNAVAILABLE => Error::Unavailable(None),
        status if status.is_client_error() => Error::Invalid(Vec::new()),
        _ => Error::internal_message(format!("a response with status {status} and without an error")),
    }
}
