//! What stands in for the other services: answers as it is told, and remembers what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::{Value, json};

/// The stand-in; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Upstream(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    answers: HashMap<String, Answer>,
    asked: Vec<Asked>,
}

/// Status, body and headers.
type Answer = (StatusCode, Value, Vec<(header::HeaderName, String)>);

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// `POST /api/orders`.
    pub(crate) what: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Upstream {
    /// Listens on a free port; with its address.
    #[expect(clippy::disallowed_methods, reason = "a server of the test's own, which ends with its runtime")]
    pub(crate) async fn start() -> (Self, String) {
        let upstream = Self::default();
        let routes = axum::Router::new().fallback(answer).with_state(upstream.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (upstream, url)
    }

    /// From now on this is answered with that.
    pub(crate) fn answers(&self, what: &str, status: u16, body: Value, headers: &[(header::HeaderName, &str)]) {
        let headers = headers.iter().map(|(name, value)| (name.clone(), (*value).to_owned())).collect();
        let status = StatusCode::from_u16(status).unwrap();
        self.0.lock().unwrap().answers.insert(what.to_owned(), (status, body, headers));
    }

    /// A refusal, as our services put it.
    pub(crate) fn refuses(&self, what: &str, status: u16, detail: &str, fields: &[(&str, &str)]) {
        let errors: Vec<_> =
            fields.iter().map(|(field, message)| json!({ "field": field, "message": message })).collect();
        let body = json!({
            "type": "urn:ticketing:problem:some", "title": "No", "status": status, "detail": detail, "errors": errors,
        });
        self.answers(what, status, body, &[]);
    }

    /// What was asked since this was last called.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.0.lock().unwrap().asked)
    }
}

async fn answer(
    State(upstream): State<Upstream>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let what = format!("{method} {}", uri.path());
    let mut script = upstream.0.lock().unwrap();
    let (status, answer, set) =
        script.answers.get(&what).cloned().unwrap_or((StatusCode::NOT_FOUND, json!({}), vec![]));
    script.asked.push(Asked { what, headers, body: serde_json::from_slice(&body).unwrap_or_default() });
    let version = answer["version"].as_u64();
    let body = if answer.is_null() { String::new() } else { answer.to_string() };
    let mut response = (status, body).into_response();
    if let Some(version) = version {
        response.headers_mut().insert(header::ETAG, format!("\"{version}\"").parse().unwrap());
    }
    for (name, value) in set {
        response.headers_mut().append(name, value.parse().unwrap());
    }
    response
}
