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
    let document = served.json();
    let security = |method: &str, path: &str| {
        let operation = &document["paths"][path][method];
        let accepted = operation["security"].as_array().unwrap().iter();
        let names: Vec<_> = accepted.map(|it| it.as_object().unwrap().keys().cloned().collect::<String>()).collect();
        (names.join(" "), operation["responses"]["401"].is_object())
    };
    for (method, path, expected, is_rejectable) in [
        ("get", "/api/users/sessions", "session sessionOverHttp", true),
        ("post", "/api/users/refresh", "refresh refreshOverHttp", true),
        // The empty requirement comes first: anonymous requests are served too.
        ("get", "/api/users/currentuser", " session sessionOverHttp", false),
        ("post", "/api/users/signout", " session sessionOverHttp refresh refreshOverHttp", false),
    ] {
        assert_eq!(security(method, path), (expected.to_owned(), is_rejectable), "{method} {path}");
    }
    let schemes = &document["components"]["securitySchemes"];
    for (name, cookie) in [
        ("session", "__Host-access"),
        ("sessionOverHttp", "access"),
        ("refresh", "__Host-refresh"),
        ("refreshOverHttp", "refresh"),
    ] {
        assert_eq!(schemes[name]["in"], "cookie", "{name}");
        assert_eq!(schemes[name]["name"], cookie, "{name}");
    }
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
