//! A fake of the other services, with scripted responses and recorded requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::Response as TestResponse;
use testkit::app::users::User;

use crate::support::with_settings;

/// The fake; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct FakeServices(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    responses: HashMap<String, ScriptedResponse>,
    requests: Vec<RecordedRequest>,
}

/// Status, body and headers.
type ScriptedResponse = (StatusCode, Value, Vec<(header::HeaderName, String)>);

/// A request that the fake received.
#[derive(Debug, Clone)]
pub(crate) struct RecordedRequest {
    /// `POST /api/orders`.
    pub(crate) route: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl FakeServices {
    /// Starts the fake on a free port; returns it with its URL.
    #[expect(clippy::disallowed_methods, reason = "a server of the test itself, which stops with its runtime")]
    pub(crate) async fn start() -> (Self, String) {
        let services = Self::default();
        let routes = axum::Router::new().fallback(respond).with_state(services.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (services, url)
    }

    /// Sets the response to all further requests of a route.
    pub(crate) fn respond_with(&self, route: &str, status: u16, body: Value, headers: &[(header::HeaderName, &str)]) {
        let headers = headers.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
        let status = StatusCode::from_u16(status).unwrap();
        self.0.lock().unwrap().responses.insert(route.to_owned(), (status, body, headers));
    }

    /// Like `respond_with`, with a problem document as the body.
    pub(crate) fn respond_with_problem(&self, route: &str, status: u16, detail: &str, fields: &[(&str, &str)]) {
        let errors: Vec<_> =
            fields.iter().map(|(field, message)| json!({ "field": field, "message": message })).collect();
        let body = json!({
            "type": "urn:ticketing:problem:some", "title": "No", "status": status, "detail": detail, "errors": errors,
        });
        self.respond_with(route, status, body, &[]);
    }

    /// The requests since the last call.
    pub(crate) fn take_requests(&self) -> Vec<RecordedRequest> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }
}

async fn respond(
    State(services): State<FakeServices>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let route = format!("{method} {}", uri.path());
    let mut script = services.0.lock().unwrap();
    let scripted = script.responses.get(&route).cloned();
    // Checks change nothing, so they are not recorded, and pass unless a test says otherwise.
    let is_check = route.starts_with("POST /api/tickets/") && route.ends_with("/check");
    let unscripted = if is_check { (StatusCode::NO_CONTENT, Value::Null) } else { (StatusCode::NOT_FOUND, json!({})) };
    let (status, body_json, set) = scripted.unwrap_or((unscripted.0, unscripted.1, vec![]));
    if !is_check {
        let body = serde_json::from_slice(&body).unwrap_or_default();
        script.requests.push(RecordedRequest { route, headers, body });
    }
    let version = body_json["version"].as_u64();
    let body = if body_json.is_null() { String::new() } else { body_json.to_string() };
    let mut response = (status, body).into_response();
    if let Some(version) = version {
        response.headers_mut().insert(header::ETAG, format!("\"{version}\"").parse().unwrap());
    }
    for (name, value) in set {
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}

/// The service, with a fake of all other services.
pub(crate) async fn app_with_services() -> (TestApp, FakeServices) {
    let (services, url) = FakeServices::start().await;
    let settings = [("AUTH_URL", url.as_str()), ("TICKETS_URL", url.as_str()), ("ORDERS_URL", url.as_str())];
    (with_settings(&settings).await, services)
}

/// Submits a form.
pub(crate) async fn post_form(app: &TestApp, path: &str, user: Option<&User>, fields: &[(&str, &str)]) -> TestResponse {
    let body = serde_urlencoded::to_string(fields).unwrap();
    let request = app.request("POST", path).header("content-type", "application/x-www-form-urlencoded").body(body);
    let request = match user {
        Some(user) => request.as_user(user),
        None => request,
    };
    request.send().await
}
