//! No request breaks a service: random bodies, headers, paths and queries on every route.
//!
//! # Why
//! Most random requests end at the first check. So what is sent is drawn from the service's own
//! OpenAPI document: right in most places and wrong in a few, which reaches the code behind.

mod requests;
mod values;

use axum::body::Body;
use http_body_util::BodyExt;
use proptest::test_runner::{Config, TestCaseError, TestCaseResult, TestRunner};
use serde_json::Value;
use tower::ServiceExt;
use utoipa::openapi::OpenApi;

use self::requests::{Crafted, requests};
use super::TestApp;
use super::users::User;

/// How many requests each route gets.
const CASES: u32 = 64;

/// Sends random requests to every route of the document, some as `user`; fails the test with the
/// smallest request that gets 5xx, panics, or is refused without a proper problem document.
///
/// The test must run on a multi-threaded runtime.
pub async fn fuzz_routes(app: &TestApp, document: &OpenApi, user: Option<&User>) {
    let document = serde_json::to_value(document).expect("a document");
    let paths = document["paths"].as_object().expect("paths").clone();
    assert!(!paths.is_empty(), "the document names no route");
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("operations") {
            if !operation["responses"].is_object() {
                continue;
            }
            let strategy = requests(&document, method, &path, operation, user);
            let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
            let mut runner = TestRunner::new(config);
            let outcome = tokio::task::block_in_place(|| {
                let handle = tokio::runtime::Handle::current();
                runner.run(&strategy, |crafted| handle.block_on(survives(app, crafted)))
            });
            if let Err(error) = outcome {
                panic!("{} {path}: {error}", method.to_uppercase());
            }
        }
    }
    // Whatever the requests did, the service serves on.
    app.admin("GET", "/readyz").send().await.expect(200);
}

/// Whether the request is answered as the contract says that every request is.
async fn survives(app: &TestApp, crafted: Crafted) -> TestCaseResult {
    // What no HTTP client can send is nothing to survive.
    let Some(request) = crafted.build() else { return Ok(()) };
    let response = app.running.public.clone().oneshot(request).await.expect("routers never fail");
    let (parts, body) = response.into_parts();
    let bytes = Body::collect(body).await.map_err(|error| TestCaseError::fail(error.to_string()))?.to_bytes();
    let shown = || format!("{}: {}", parts.status, String::from_utf8_lossy(&bytes));
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // 503 that says what is awaited is an answer; 503 because something is away is a breakdown.
    let away =
        serde_json::from_slice::<Value>(&bytes).is_ok_and(|body| body["type"] == "urn:ticketing:problem:unavailable");
    let not_yet = parts.status.as_u16() == 503 && !header("retry-after").is_empty() && !away;
    let fault = if parts.status.is_server_error() && !not_yet {
        Some("a breakdown")
    } else if header("x-request-id").is_empty() {
        Some("no x-request-id")
    } else if header("x-content-type-options") != "nosniff" {
        Some("no nosniff")
    } else if parts.status.is_client_error() && crafted.is_api() && crafted.has_answer() {
        fault_of_problem(&bytes, parts.status.as_u16(), header("content-type"), header("x-request-id"))
    } else {
        None
    };
    fault.map_or(Ok(()), |fault| Err(TestCaseError::fail(format!("{fault}: {}", shown()))))
}

/// What a refusal lacks to be problem details.
fn fault_of_problem(bytes: &[u8], status: u16, kind: &str, request: &str) -> Option<&'static str> {
    let problem: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |key: &str| problem[key].as_str().unwrap_or_default();
    if kind != common::problem::CONTENT_TYPE {
        Some("not a problem document")
    } else if problem["status"] != status {
        Some("the problem has another status")
    } else if text("type").is_empty() || text("title").is_empty() || text("detail").is_empty() {
        Some("the problem does not say what is wrong")
    } else if text("instance") != request {
        Some("the problem does not name the request")
    } else {
        None
    }
}
