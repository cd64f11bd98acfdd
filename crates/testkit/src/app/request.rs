//! Requests to a router, without a socket.

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

/// A request that is being put together.
#[must_use]
pub struct Request {
    router: Router,
    document: Option<Arc<Value>>,
    builder: http::request::Builder,
    body: Body,
}

impl Request {
    /// A request to these routes.
    pub fn new(router: Router, method: &str, path: &str) -> Self {
        let builder = http::Request::builder().method(method).uri(path);
        Self { router, document: None, builder, body: Body::empty() }
    }

    /// Whose response is held against this `OpenAPI` document.
    pub(super) fn documented(self, document: Arc<Value>) -> Self {
        Self { document: Some(document), ..self }
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.builder = self.builder.header(name, value.as_ref());
        self
    }

    /// As this user, by their access cookie.
    pub fn by(self, user: &User) -> Self {
        let cookie = format!("access={}", user.token);
        self.header("cookie", cookie)
    }

    /// With a JSON body.
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// With a bare body.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it.
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

/// What came back.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap<HeaderValue>,
    /// The bare body.
    pub bytes: Vec<u8>,
}

impl Response {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// A header's value; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The tail of a problem's `type`: `ticket-sold`.
    pub fn problem(&self) -> String {
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        kind.rsplit(':').next().unwrap_or_default().to_owned()
    }

    /// The fields that a problem names.
    pub fn fields(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Fails the test unless the status is this one; the response.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}
