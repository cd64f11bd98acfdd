//! Makes every error a proper one: problem details under `/api/`, a page elsewhere.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use common::problem::CONTENT_TYPE;
use http::{HeaderValue, StatusCode, header};

use super::observe::RequestId;
use super::settings::HttpSettings;
use crate::limits::layer;

/// Renders errors, whoever made them: handlers, extractors, axum itself, a panic.
pub(crate) async fn render(State(rules): State<Arc<HttpSettings>>, request: Request, next: Next) -> Response {
    let id = request.extensions().get::<RequestId>().cloned().unwrap_or_default();
    let api = request.uri().path().starts_with("/api/") || request.uri().path() == "/api";
    let mut response = next.run(request).await;
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let error = response.extensions().get::<Error>().cloned();
    let error = match error {
        Some(error) => error,
        // A body that the handler itself rendered for a browser.
        None if is_html(&response) => return response,
        None => by_status(response.status()),
    };
    let mut problem = error.problem();
    problem.instance.clone_from(&id.0);
    let mut rendered = if let Some(page) = rules.pages.filter(|_| !api) {
        page(&problem)
    } else {
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        (error.status(), [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response()
    };
    *rendered.status_mut() = error.status();
    // What was set beside the body stays: Allow, Retry-After, Set-Cookie, what is left of a limit.
    for (name, value) in error_headers(&mut response, &error) {
        rendered.headers_mut().append(name, value);
    }
    rendered.extensions_mut().insert(error);
    rendered
}

fn error_headers(response: &mut Response<Body>, error: &Error) -> Vec<(http::HeaderName, HeaderValue)> {
    let mut kept: Vec<_> = [header::ALLOW, header::RETRY_AFTER, header::SET_COOKIE, layer::POLICY, layer::STATE]
        .iter()
        .flat_map(|name| response.headers().get_all(name).iter().map(|value| (name.clone(), value.clone())))
        .collect();
    if matches!(error, Error::Unauthenticated(_)) {
        kept.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Cookie")));
    }
    kept
}

fn is_html(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("text/html"))
}

/// What a bare status from axum or a layer means.
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
        _ => Error::internal_message(format!("a bare {status}")),
    }
}
