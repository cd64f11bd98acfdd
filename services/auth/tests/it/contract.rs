//! The OpenAPI document, unknown routes and random requests.

use std::path::Path;

use testkit::app::contract::{assert_current_or_update, assert_routes_documented};
use testkit::app::fuzz::fuzz_routes;

use crate::support::{app, app_with, sign_up};

#[tokio::test(flavor = "multi_thread")]
async fn openapi_document_is_checked_in_and_served() {
    let app = app().await;
    assert_current_or_update(&Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json"), &app.running.openapi);
    assert_routes_documented(&app.running.openapi, common::api::users::ROUTES);
    let served = app.request("GET", "/api/users/openapi.json").send().await.expect(200);
    assert_eq!(served.json(), serde_json::to_value(&app.running.openapi).unwrap());
    assert!(served.json()["openapi"].as_str().unwrap().starts_with("3.1"));
    for (path, item) in served.json()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(
                    response["description"].is_string(),
                    "{method} {path} {status}: OpenAPI 3.1 requires a description"
                );
            }
        }
    }
    let routes: Vec<_> = app.running.openapi.paths.paths.keys().map(String::as_str).collect();
    assert_eq!(
        routes,
        [
            "/api/users/currentuser",
            "/api/users/jwks.json",
            "/api/users/me",
            "/api/users/password",
            "/api/users/refresh",
            "/api/users/sessions",
            "/api/users/sessions/{id}",
            "/api/users/signin",
            "/api/users/signout",
            "/api/users/signup",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_routes_return_problem_details() {
    let app = app().await;
    for path in ["/api/users/nonsense", "/api/users", "/api/users/sessions/a/b", "/nonsense"] {
        assert_eq!(app.request("GET", path).send().await.expect(404).problem(), "not-found", "{path}");
    }
    assert_eq!(app.request("PATCH", "/api/users/me").send().await.expect(405).problem(), "method-not-allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_requests_never_cause_a_server_error() {
    let limits =
        [("SIGNUPS_PER_MINUTE", "100000"), ("SIGNIN_FAILURES", "100000"), ("SIGNIN_ADDRESS_FAILURES", "100000")];
    let app = app_with(&limits).await;
    let ana = sign_up(&app).await;
    fuzz_routes(&app, &app.running.openapi, Some(&ana.user())).await;
    app.wait_until_idle().await;
    let events = app.events("auth").await;
    let count = |kind: &str| events.iter().filter(|event| event.kind == kind).count();
    let reached = (count("user.registered.v1") - 1, count("user.updated.v1"));
    assert!(reached.0 + reached.1 > 0, "no random request passed validation");
}
