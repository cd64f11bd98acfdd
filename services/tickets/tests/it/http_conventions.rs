//! Behaviour common to all routes: unknown paths, methods, bodies, cross-site requests, random requests.

use serde_json::json;

use crate::support::{app, body, create_listing, path};

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_return_problem_details() {
    let app = app().await;
    for path in ["/", "/api", "/api/nothing", "/api/tickets/", "/api/tickets/a/b", "/healthz", "/metrics", "/resync"] {
        let response = app.request("GET", path).send().await.expect(404);
        assert_eq!(response.header("content-type"), "application/problem+json", "{path}");
        assert_eq!(response.problem(), "not-found", "{path}");
        assert_eq!(response.json()["instance"], response.header("x-request-id"), "{path}");
        assert_eq!(response.header("x-content-type-options"), "nosniff", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_method_lists_the_allowed_ones() {
    let app = app().await;
    let ticket = create_listing(&app, &app.signer.user()).await;
    for (method, path, allowed) in [
        ("PATCH", "/api/tickets", vec!["GET", "HEAD", "POST"]),
        ("DELETE", "/api/tickets", vec!["GET", "HEAD", "POST"]),
        ("POST", &path(&ticket), vec!["DELETE", "GET", "HEAD", "PUT"]),
        ("POST", "/api/tickets/openapi.json", vec!["GET", "HEAD"]),
    ] {
        let response = app.request(method, path).send().await.expect(405);
        assert_eq!(response.problem(), "method-not-allowed");
        let mut allow: Vec<_> = response.header("allow").split(',').map(str::trim).collect();
        allow.sort_unstable();
        assert_eq!(allow, allowed, "{method} {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_json_of_bounded_size_is_accepted() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    for (method, path) in [("POST", "/api/tickets".to_owned()), ("PUT", path(&ticket))] {
        let request = || app.request(method, &path).as_user(&seller);
        let text = body().to_string();
        for kind in ["", "text/plain", "application/x-www-form-urlencoded", "application/xml"] {
            let response = request().header("content-type", kind).body(text.clone()).send().await.expect(415);
            assert_eq!(response.problem(), "unsupported-media-type");
        }
        request().body(text.clone()).send().await.expect(415);
        let json = |body: String| request().header("content-type", "application/json; charset=utf-8").body(body).send();
        for broken in ["", "{", "[]", "null", "7", "\"x\"", "{\"title\": \"\u{1}\"}", &format!("{text} x")] {
            json(broken.to_owned()).await.expect(400);
        }
        let large = json!({ "title": "x".repeat(1 << 20) }).to_string();
        assert_eq!(json(large).await.expect(413).problem(), "too-large");
        let status = json(text).await.status;
        assert!(status == 200 || status == 201, "a charset is allowed: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_is_a_bad_request() {
    let app = app().await;
    let seller = app.signer.user();
    let deep = "[".repeat(100_000);
    let lone = r#"{"title": "\ud800"}"#.to_owned();
    let twice = body().to_string().replacen('{', r#"{"title": "a","#, 1);
    for text in [deep, lone, twice] {
        let request = app.request("POST", "/api/tickets").as_user(&seller).header("content-type", "application/json");
        request.body(text).send().await.expect(400);
    }
    let request = app.request("POST", "/api/tickets").as_user(&seller).header("content-type", "application/json");
    request.body(vec![0xFF, 0xFE]).send().await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn cross_site_requests_are_rejected() {
    let app = app().await;
    let seller = app.signer.user();
    let ticket = create_listing(&app, &seller).await;
    for (header, value, is_rejected) in [
        ("sec-fetch-site", "cross-site", true),
        ("sec-fetch-site", "same-site", true),
        ("sec-fetch-site", "same-origin", false),
        ("sec-fetch-site", "none", false),
        ("origin", "https://evil.example", true),
        ("origin", "null", true),
        ("origin", "http://localhost:8080", false),
    ] {
        let post =
            app.request("POST", "/api/tickets").as_user(&seller).header(header, value).json(&body()).send().await;
        let put = app.request("PUT", &path(&ticket)).as_user(&seller).header(header, value).json(&body()).send().await;
        let read = app.request("GET", &path(&ticket)).header(header, value).send().await;
        read.expect(200);
        if is_rejected {
            assert_eq!(post.expect(403).problem(), "cross-site", "{header}: {value}");
            assert_eq!(put.expect(403).problem(), "cross-site", "{header}: {value}");
            // The request is rejected without a cookie too.
            let request = app.request("DELETE", &path(&ticket)).header(header, value);
            assert_eq!(request.send().await.expect(403).problem(), "cross-site");
        } else {
            post.expect(201);
            put.expect(200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_requests_never_cause_a_server_error() {
    let app = app().await;
    let seller = app.signer.user();
    create_listing(&app, &seller).await;
    testkit::app::fuzz::fuzz_routes(&app, &app.running.openapi, Some(&seller)).await;
}
