//! The middleware of every service: problems, request ids, security headers, cross-site checks, addresses, metrics.

use std::time::Duration;

use axum::body::Body;
use common::identity::Role;
use serde_json::json;
use testkit::app::TestApp;
use testkit::app::request::Response;

use crate::demo::{app, app_with};

fn assert_problem(response: &Response, status: u16, code: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(response.header("content-type"), "application/problem+json");
    assert_eq!(response.problem(), code);
    let problem = response.json();
    assert_eq!(problem["status"], status);
    assert_eq!(problem["instance"], response.header("x-request-id"));
    assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty());
    assert_eq!(response.header("x-content-type-options"), "nosniff");
    assert_eq!(response.header("content-length"), response.bytes.len().to_string(), "the length is that of the body");
}

async fn get(app: &TestApp, path: &str) -> Response {
    app.request("GET", path).send().await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_a_problem() {
    let app = app_with(&[("REQUEST_TIMEOUT", "300ms")]).await;
    let user = app.signer.user();
    assert_problem(&get(&app, "/api/nothing").await, 404, "not-found");
    assert_problem(&get(&app, "/api").await, 404, "not-found");
    assert_problem(&get(&app, "/api/demo/panic").await, 500, "internal");
    assert_problem(&get(&app, "/api/demo/internal").await, 500, "internal");
    assert_problem(&get(&app, "/api/demo/slow").await, 504, "timed-out");
    // A bare 4xx status without a problem of its own.
    assert_problem(&get(&app, "/api/demo/teapot").await, 400, "invalid");
    assert_problem(&get(&app, "/api/demo/7").await, 400, "invalid");
    let nobody = get(&app, "/api/demo/me").await;
    assert_problem(&nobody, 401, "unauthenticated");
    assert_eq!(nobody.header("www-authenticate"), "Cookie");
    for other in [&user, &app.signer.staff(Role::Support)] {
        let response = app.request("GET", "/api/demo/staff").as_user(other).send().await;
        assert_problem(&response, 403, "role-required");
    }
    app.request("GET", "/api/demo/staff").as_user(&app.signer.staff(Role::Finance)).send().await.expect(200);
    let busy = get(&app, "/api/demo/busy").await;
    assert_problem(&busy, 429, "rate-limited");
    assert_eq!(busy.header("retry-after"), "2", "rounded up");
    let wrong_method = app.request("DELETE", "/api/demo").send().await;
    assert_problem(&wrong_method, 405, "method-not-allowed");
    assert_eq!(wrong_method.header("allow"), "POST");
    let post = || app.request("POST", "/api/demo").as_user(&user);
    assert_problem(&post().body("{}").send().await, 415, "unsupported-media-type");
    assert_problem(&post().header("content-type", "application/json").body("{").send().await, 400, "invalid");
    let unknown = post().json(&json!({ "name": "x", "more": 1 })).send().await;
    assert_problem(&unknown, 400, "invalid");
    assert_eq!(unknown.fields(), ["more"]);
    let with_headers = |count: usize| {
        let names = (0..count).map(|n| format!("x-header-{n}"));
        names.fold(app.request("GET", "/api/nothing"), |request, name| request.header(name.as_str(), "1")).send()
    };
    assert_problem(&with_headers(80).await, 404, "not-found");
    for count in [101, 500] {
        assert_problem(&with_headers(count).await, 431, "headers-too-large");
    }
    let large = post().json(&json!({ "name": "x".repeat(1 << 20) })).send().await;
    assert_problem(&large, 413, "too-large");
    let other_site = post().header("sec-fetch-site", "cross-site").json(&json!({ "name": "x" })).send().await;
    assert_problem(&other_site, 403, "cross-site");
}

#[tokio::test(flavor = "multi_thread")]
async fn body_with_too_large_content_length_is_rejected_at_once() {
    let app = app().await;
    let user = app.signer.user();
    for (path, kind) in [
        ("/api/demo", "application/json"),
        ("/api/demo/webhook", "application/json"),
        ("/page", "application/x-www-form-urlencoded"),
    ] {
        let never = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let request = app.request("POST", path).as_user(&user).header("content-type", kind);
        let request = request.header("content-length", (8 << 20).to_string()).body(never);
        let response = tokio::time::timeout(Duration::from_secs(5), request.send()).await;
        response.unwrap_or_else(|_| panic!("{path} waits for the body")).expect(413);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn body_of_one_mebibyte_is_accepted() {
    let app = app().await;
    let user = app.signer.user();
    let overhead = json!({ "name": "" }).to_string().len();
    for (over, status) in [(0, 400), (1, 413)] {
        // With exactly 1 MiB the unknown field is the error; one more byte is too large. `nom` is one byte shorter.
        let body = json!({ "nom": "x".repeat((1 << 20) - overhead + 1 + over) });
        app.request("POST", "/api/demo").as_user(&user).json(&body).send().await.expect(status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn internal_errors_are_not_disclosed() {
    let app = app().await;
    for path in ["/api/demo/panic", "/api/demo/internal", "/page/broken"] {
        let response = get(&app, path).await.expect(500);
        assert!(!response.text().contains("hunter2"), "{path}: {}", response.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_response_has_a_request_id() {
    let app = app().await;
    for path in ["/page", "/api/nothing", "/api/demo/panic"] {
        let first = get(&app, path).await;
        let second = get(&app, path).await;
        assert!(!first.header("x-request-id").is_empty(), "{path}");
        assert_ne!(first.header("x-request-id"), second.header("x-request-id"), "{path}");
    }
    let echoed = |id: &str| app.request("GET", "/page").header("x-request-id", id).send();
    for id in ["abcdefgh", "01890a5d-ac96-774b-bcce-b302099a8057", &"x".repeat(64)] {
        assert_eq!(echoed(id).await.header("x-request-id"), id);
    }
    for id in ["short", "with space!", "a\"quote\"b", &"x".repeat(65), "${jndi:ldap}"] {
        let given = echoed(id).await;
        assert_ne!(given.header("x-request-id"), id);
        assert_eq!(given.header("x-request-id").len(), 36);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_response_has_the_security_headers() {
    let app = app().await;
    for path in ["/page", "/page/broken", "/api/nothing", "/nothing", "/api/demo/panic"] {
        let response = get(&app, path).await;
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(response.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(response.header("referrer-policy"), "strict-origin-when-cross-origin", "{path}");
        let policy = response.header("content-security-policy");
        assert!(policy.contains("default-src") && !policy.contains("unsafe-inline"), "{path}: {policy}");
        assert_eq!(response.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_outside_api_are_html() {
    let app = app().await;
    for (path, status, title) in
        [("/nothing", 404, "Not found"), ("/page/broken", 500, "Something went wrong"), ("/apiary", 404, "Not found")]
    {
        let response = get(&app, path).await.expect(status);
        assert!(response.header("content-type").starts_with("text/html"), "{path}");
        let id = response.header("x-request-id");
        assert_eq!(response.text(), format!("<h1>{title}</h1><p>{id}</p>"), "{path}");
    }
    let wrong_method = app.request("DELETE", "/page").send().await.expect(405);
    assert!(wrong_method.text().contains("<h1>"));
    assert!(wrong_method.header("allow").contains("GET"));
    let other_site = app.request("POST", "/page").header("origin", "https://evil.example").send().await.expect(403);
    assert!(other_site.text().contains("<h1>Not allowed</h1>"));
    // A page that a handler has rendered is not replaced.
    assert_eq!(get(&app, "/page/own").await.expect(409).text(), "<p>own</p>");
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_site_requests_are_accepted_by_webhooks_only() {
    let app = app().await;
    let post = |path: &str, name: &str, value: &str| app.request("POST", path).header(name, value).send();
    for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://stripe.example")] {
        post("/api/demo/webhook", name, value).await.expect(204);
        post("/api/demo/other-hook", name, value).await.expect(403);
        app.request("GET", "/page").header(name, value).send().await.expect(200);
    }
    app.request("POST", "/api/demo/other-hook").send().await.expect(204);
    post("/api/demo/other-hook", "origin", "http://localhost:8080").await.expect(204);
    // WebSocket upgrades must be same-origin, although they are GET requests.
    let upgrade = |origin: Option<&str>| {
        let request = app.request("GET", "/page").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        origin.map_or_else(
            || app.request("GET", "/page").header("sec-websocket-key", "x"),
            |o| request.header("origin", o),
        )
    };
    upgrade(None).send().await.expect(403);
    upgrade(Some("https://evil.example")).send().await.expect(403);
    upgrade(Some("http://localhost:8080")).send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn address_comes_from_trusted_proxies() {
    let app = app_with(&[("TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8")]).await;
    let from = |forwarded: &str| app.request("GET", "/api/demo/address").header("x-forwarded-for", forwarded).send();
    assert_eq!(from("198.51.100.7").await.text(), "198.51.100.7");
    assert_eq!(from("1.2.3.4, 198.51.100.7").await.text(), "198.51.100.7");
    assert_eq!(from("1.2.3.4, 198.51.100.7, 10.1.1.1").await.text(), "198.51.100.7");
    let untrusting = crate::demo::app().await;
    let request = untrusting.request("GET", "/api/demo/address").header("x-forwarded-for", "1.2.3.4");
    assert_eq!(request.send().await.text(), "127.0.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_responses_are_compressed_on_request() {
    let app = app().await;
    let user = app.signer.user();
    let name = "x".repeat(2_000);
    let made =
        app.request("POST", "/api/demo").as_user(&user).json(&json!({ "name": "short" })).send().await.expect(201);
    let id = made.json()["state"]["id"].as_str().unwrap().to_owned();
    let documents = app.context.database.collection::<mongodb::bson::Document>("counters");
    let longer = mongodb::bson::doc! { "$set": { "state.name": &name } };
    documents.update_one(mongodb::bson::doc! { "_id": &id }, longer).await.unwrap();
    let path = format!("/api/demo/{id}");
    let packed = app.request("GET", &path).header("accept-encoding", "gzip").send().await.expect(200);
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.bytes.len() < 1_000 && packed.header("vary").contains("accept-encoding"));
    assert_eq!(get(&app, &path).await.json()["state"]["name"], json!(name));
}

#[tokio::test(flavor = "multi_thread")]
async fn client_input_creates_no_metric_series() {
    let app = app().await;
    // The first scrape installs the recorder; nothing before it is counted.
    app.monitor("/metrics").send().await.expect(200);
    for number in 0..20 {
        app.request(&format!("BREW{number}"), "/page").send().await.expect(405);
        app.request("GET", &format!("/invented/{number}")).header("host", format!("invented-{number}")).send().await;
    }
    let text = app.monitor("/metrics").send().await.expect(200).text();
    assert!(!text.contains("BREW") && !text.contains("invented"), "{text}");
    for series in [
        r#"http_request_duration_seconds_count{method="other",route="/page",status="405"}"#,
        r#"http_request_duration_seconds_count{method="GET",route="none",status="404"}"#,
    ] {
        assert!(app.metric(series).await.is_some_and(|count| count >= 20.0), "{series} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_port_serves_health_and_metrics_alone() {
    let app = app().await;
    assert_eq!(app.monitor("/healthz").send().await.expect(200).text(), "alive\n");
    assert_eq!(app.monitor("/readyz").send().await.expect(200).text(), "ready\n");
    // The first scrape installs the recorder; nothing before it is counted.
    app.monitor("/metrics").send().await.expect(200);
    get(&app, "/api/nothing").await;
    get(&app, "/api/demo/7").await;
    let metrics = app.monitor("/metrics").send().await.expect(200);
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = metrics.text();
    let line = text.lines().find(|line| {
        let labels = [r#"method="GET""#, r#"route="/api/demo/{id}""#, r#"status="400""#];
        line.starts_with("http_request_duration_seconds_count{") && labels.iter().all(|label| line.contains(label))
    });
    assert!(line.is_some_and(|line| line.ends_with("} 1")), "{text}");
    assert!(!text.contains("/api/demo/7"), "labels have routes, not paths");
    // No port serves the routes of another.
    for path in ["/healthz", "/readyz", "/metrics", "/resync"] {
        get(&app, path).await.expect(404);
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        app.admin("GET", path).send().await.expect(404);
    }
    for path in ["/resync", "/raise"] {
        app.monitor(path).send().await.expect(404);
    }
}
