//! Builds requests and sends them to a router without a socket.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use common::problem::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::contract;
use super::users::User;

/// A builder of a request.
#[must_use]
pub struct Request {
    router: Router,
    document: Option<Arc<Value>>,
    builder: http::request::Builder,
    body: Body,
}

impl Request {
    /// Creates a request to these routes.
    pub fn new(router: Router, method: &str, path: &str) -> Self {
        let builder = http::Request::builder().method(method).uri(path);
        Self { router, document: None, builder, body: Body::empty() }
    }

    /// Checks problems in the response against this `OpenAPI` document.
    pub(super) fn check_against(self, document: Arc<Value>) -> Self {
        Self { document: Some(document), ..self }
    }

    /// Adds a header, whose value may contain bytes outside ASCII.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.builder = self.builder.header(name, value.as_ref());
        self
    }

    /// Authenticates the request with the user's access cookie.
    pub fn as_user(self, user: &User) -> Self {
        self.header("cookie", format!("access={}", user.token))
    }

    /// Sets a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// Sets the raw body.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the request.
    pub async fn send(self) -> Response {
        let request = self.builder.body(self.body).expect("a request");
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.oneshot(request).await.expect("routers never fail");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        let response = Response { status: parts.status.as_u16(), headers: parts.headers, bytes: bytes.to_vec() };
        if let Some(document) = self.document
            && response.header("content-type") == CONTENT_TYPE
        {
            contract::assert_problem_documented(&document, method.as_str(), &path, response.status, &response.json());
        }
        response
    }
}

/// A response that was read completely.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap<HeaderValue>,
    /// The raw body.
    pub bytes: Vec<u8>,
}

impl Response {
    /// The body as JSON; null if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The value of a header; empty if the header is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The code at the end of a problem's `type`, such as `ticket-sold`.
    pub fn problem(&self) -> String {
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        kind.rsplit(':').next().unwrap_or_default().to_owned()
    }

    /// The names of the invalid fields in a problem.
    pub fn fields(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Fails the test if the status is another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}
