//! Tests that the fuzzer finds failures that only a body of the documented shape can cause.
#![cfg(feature = "app")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may panic")]

use axum::Router;
use axum::routing::post;
use http::StatusCode;
use platform::app::App;
use platform::config::Keys;
use platform::context::Context;
use platform::http::extract::Body;
use serde::Deserialize;
use testkit::app::TestApp;
use testkit::app::fuzz::fuzz_routes;
use utoipa::openapi::OpenApi;
use validator::Validate;

#[derive(Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct Request {
    count: i64,
    name: String,
}

async fn fragile(Body(body): Body<Request>) -> StatusCode {
    // The extractor rejects all but a count and a name, so arbitrary JSON hardly ever gets here.
    if body.count < 0 && !body.name.is_empty() { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
}

async fn panicking(Body(body): Body<Request>) -> StatusCode {
    assert!(body.name.is_ascii());
    if body.count == 0 { StatusCode::OK } else { StatusCode::CREATED }
}

async fn conflicting(Body(body): Body<Request>) -> Result<StatusCode, (StatusCode, &'static str)> {
    // The HTTP middleware converts the text to a problem document.
    if body.count < 0 && !body.name.is_empty() { Err((StatusCode::CONFLICT, "no")) } else { Ok(StatusCode::OK) }
}

#[expect(clippy::unnecessary_wraps, reason = "the shape of a service's `build`")]
fn build(_: Keys, _: &Context) -> anyhow::Result<App> {
    let routes = Router::new()
        .route("/api/fragile", post(fragile))
        .route("/api/panicking", post(panicking))
        .route("/api/conflicting", post(conflicting));
    Ok(App::new(routes, document("/api/conflicting")))
}

/// The OpenAPI document with one of the routes.
fn document(path: &str) -> OpenApi {
    let properties = serde_json::json!({ "count": { "type": "integer" }, "name": { "type": "string" } });
    let schema = serde_json::json!({ "type": "object", "required": ["count", "name"], "properties": properties });
    let body = serde_json::json!({ "content": { "application/json": { "schema": schema } } });
    let operation = serde_json::json!({ "requestBody": body, "responses": { "200": { "description": "Fine." } } });
    let info = serde_json::json!({ "title": "Fuzzed", "version": "1" });
    let document = serde_json::json!({ "openapi": "3.1.0", "info": info, "paths": { path: { "post": operation } } });
    serde_json::from_value(document).unwrap()
}

async fn fuzz(path: &str) {
    let app = TestApp::start("fuzzed", build, &[]).await;
    fuzz_routes(&app, &document(path), Some(&app.signer.user())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "POST /api/fragile: Test failed: a server error: 500")]
async fn internal_error_is_found() {
    fuzz("/api/fragile").await;
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "POST /api/panicking: Test failed: a server error: 500")]
async fn panic_is_found() {
    fuzz("/api/panicking").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proper_client_error_passes() {
    fuzz("/api/conflicting").await;
}
