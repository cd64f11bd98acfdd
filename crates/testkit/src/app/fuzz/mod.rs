//! Fuzzing of every route with random bodies, headers, paths and queries.
//!
//! # Why
//! Most random requests fail at the first check. So requests are generated from the service's OpenAPI
//! document: valid in most places and invalid in a few, which reaches the code behind the checks.

mod requests;
mod values;

use axum::body::Body;
use http_body_util::BodyExt;
use proptest::test_runner::{Config, TestCaseError, TestCaseResult, TestRunner};
use serde_json::Value;
use tower::ServiceExt;
use utoipa::openapi::OpenApi;

use self::requests::{GeneratedRequest, requests};
use super::TestApp;
use super::users::User;

/// Number of requests per route.
const CASES: u32 = 64;

/// Sends random requests to every route of the document, some of them as `user`. Fails the test with
/// the smallest request that panics, gets a 5xx, or gets an error that is no valid problem document.
///
/// The test must run on a multi-threaded runtime.
pub async fn fuzz_routes(app: &TestApp, document: &OpenApi, user: Option<&User>) {
    let document = serde_json::to_value(document).expect("a document");
    let paths = document["paths"].as_object().expect("paths").clone();
    assert!(!paths.is_empty(), "the document has no routes");
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
                runner.run(&strategy, |request| handle.block_on(check_response(app, request)))
            });
            if let Err(error) = outcome {
                panic!("{} {path}: {error}", method.to_uppercase());
            }
        }
    }
    // The service must still be ready.
    app.monitor("/readyz").send().await.expect(200);
}

/// Sends the request and checks the response against the contract that all routes share.
async fn check_response(app: &TestApp, generated: GeneratedRequest) -> TestCaseResult {
    // Skip what no HTTP client can send.
    let Some(request) = generated.build() else { return Ok(()) };
    let response = app.running.public.clone().oneshot(request).await.expect("routers never fail");
    let (parts, body) = response.into_parts();
    let bytes = Body::collect(body).await.map_err(|error| TestCaseError::fail(error.to_string()))?.to_bytes();
    let shown = || format!("{}: {}", parts.status, String::from_utf8_lossy(&bytes));
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // A 503 with Retry-After for a pending prerequisite is correct; `unavailable` is a failure.
    let is_unavailable =
        serde_json::from_slice::<Value>(&bytes).is_ok_and(|body| body["type"] == "urn:ticketing:problem:unavailable");
    let is_pending = parts.status.as_u16() == 503 && !header("retry-after").is_empty() && !is_unavailable;
    let violation = if parts.status.is_server_error() && !is_pending {
        Some("a server error")
    } else if header("x-request-id").is_empty() {
        Some("no x-request-id")
    } else if header("x-content-type-options") != "nosniff" {
        Some("no nosniff")
    } else if parts.status.is_client_error() && generated.is_api() && generated.expects_plain_body() {
        invalid_problem(&bytes, parts.status.as_u16(), header("content-type"), header("x-request-id"))
    } else {
        None
    };
    violation.map_or(Ok(()), |violation| Err(TestCaseError::fail(format!("{violation}: {}", shown()))))
}

/// Returns why an error response is not a valid problem document.
fn invalid_problem(bytes: &[u8], status: u16, content_type: &str, request_id: &str) -> Option<&'static str> {
    let problem: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |key: &str| problem[key].as_str().unwrap_or_default();
    if content_type != common::problem::CONTENT_TYPE {
        Some("not a problem document")
    } else if problem["status"] != status {
        Some("the problem has another status")
    } else if text("type").is_empty() || text("title").is_empty() || text("detail").is_empty() {
        Some("the problem has no type, title or detail")
    } else {
        (text("instance") != request_id).then_some("the problem's instance is not the request id")
    }
}
