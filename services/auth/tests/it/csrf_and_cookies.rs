//! Protection in browsers: cross-site requests, cookies over HTTPS, caching.

use serde_json::json;

use crate::support::{PASSWORD, app, app_with, cookie, email, set_cookies, sign_in, sign_up, with_cookies};

const STATE_CHANGING_ROUTES: [(&str, &str); 7] = [
    ("POST", "/api/users/signup"),
    ("POST", "/api/users/signin"),
    ("POST", "/api/users/signout"),
    ("POST", "/api/users/refresh"),
    ("PUT", "/api/users/me"),
    ("PUT", "/api/users/password"),
    ("DELETE", "/api/users/sessions/01890a5d-ac96-774b-bcce-b302099a8057"),
];

#[tokio::test(flavor = "multi_thread")]
async fn cross_site_requests_that_change_something_are_rejected() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let cookies = [("access", ana.access.as_str()), ("refresh", ana.refresh.as_str())];
    let foreign = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "http://localhost:8081"),
        ("origin", "null"),
    ];
    for (method, path) in STATE_CHANGING_ROUTES {
        for (name, value) in foreign {
            // Cookies make no difference.
            for cookies in [&cookies[..], &[]] {
                let body = json!({ "email": email(), "password": PASSWORD });
                let request = with_cookies(&app, method, path, cookies).header(name, value).json(&body);
                let response = request.send().await.expect(403);
                assert_eq!(response.problem(), "cross-site", "{method} {path} {name}: {value}");
                assert!(set_cookies(&response).is_empty());
            }
        }
    }
    // None of the requests had an effect, and reading is allowed from any site.
    let read = with_cookies(&app, "GET", "/api/users/currentuser", &cookies).header("sec-fetch-site", "cross-site");
    assert_eq!(read.send().await.expect(200).json()["currentUser"], ana.view);
    let refresh = with_cookies(&app, "POST", "/api/users/refresh", &cookies).header("sec-fetch-site", "same-origin");
    refresh.send().await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn same_origin_and_non_browser_requests_are_accepted() {
    let app = app().await;
    for header in [
        Some(("sec-fetch-site", "same-origin")),
        Some(("sec-fetch-site", "none")),
        Some(("origin", "http://localhost:8080")),
        None,
    ] {
        let body = json!({ "email": email(), "password": PASSWORD });
        let request = app.request("POST", "/api/users/signup").json(&body);
        let request = if let Some((name, value)) = header { request.header(name, value) } else { request };
        request.send().await.expect(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_over_https_are_bound_to_the_host() {
    let app = app_with(&[("PUBLIC_URL", "https://ticketing.example")]).await;
    let body = json!({ "email": email(), "password": PASSWORD });
    let response = app.request("POST", "/api/users/signup").json(&body).send().await.expect(201);
    let names: Vec<_> = set_cookies(&response).into_iter().map(|cookie| cookie.name).collect();
    assert_eq!(names, ["__Host-access", "__Host-refresh"]);
    for cookie in set_cookies(&response) {
        let attributes = cookie.attributes.join(" ");
        assert!(attributes.starts_with("HttpOnly Max-Age="), "{attributes}");
        assert!(attributes.ends_with(" Path=/ SameSite=Lax Secure"), "{attributes}");
    }
    let access = cookie(&response, "__Host-access").unwrap().value;
    let refresh = cookie(&response, "__Host-refresh").unwrap().value;
    let who = async |name| {
        let request = with_cookies(&app, "GET", "/api/users/currentuser", &[(name, access.as_str())]);
        request.send().await.expect(200).json()["currentUser"].clone()
    };
    assert_eq!(who("__Host-access").await, response.json());
    // The name without the prefix, which any subdomain could set, is ignored.
    assert!(who("access").await.is_null());
    with_cookies(&app, "POST", "/api/users/refresh", &[("refresh", &refresh)]).send().await.expect(401);
    with_cookies(&app, "POST", "/api/users/refresh", &[("__Host-refresh", &refresh)]).send().await.expect(200);
    let out = with_cookies(&app, "POST", "/api/users/signout", &[("__Host-refresh", &refresh)]).send().await;
    for cookie in set_cookies(&out.expect(204)) {
        assert!(cookie.value.is_empty() && cookie.attributes.contains(&"Secure".to_owned()), "{cookie:?}");
    }
    let other = app.request("POST", "/api/users/signin").header("origin", "http://localhost:8080").json(&body);
    other.send().await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_not_cacheable() {
    let app = app().await;
    let ana = sign_up(&app).await;
    let response = sign_in(&app, ana.email(), PASSWORD).await.expect(200);
    assert_eq!(response.header("cache-control"), "no-store");
    let response = app.request("GET", "/api/users/currentuser").as_user(&ana.user()).send().await.expect(200);
    assert_eq!(response.header("cache-control"), "no-store");
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_cookie_with_any_bytes_does_not_sign_out() {
    let app = app().await;
    let ana = sign_up(&app).await;
    for foreign in [&b"visitor=J\xf6rg"[..], "visitor=J\u{f6}rg".as_bytes(), b"a=\"b; c", b"=", b"x"] {
        let cookies = |name: &str, token: &str| [foreign, format!("; {name}={token}").as_bytes()].concat();
        let read = app.request("GET", "/api/users/currentuser").header("cookie", cookies("access", &ana.access));
        assert_eq!(read.send().await.expect(200).json()["currentUser"], ana.view, "{foreign:?}");
        let refresh = app.request("POST", "/api/users/refresh").header("cookie", cookies("refresh", &ana.refresh));
        refresh.send().await.expect(200);
    }
}
