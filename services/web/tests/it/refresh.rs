//! Renewal of an expired session before a page is rendered.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::{HeaderMap, StatusCode, header};
use testkit::app::users::{Signer, User};
use testkit::app::{TestApp, eventually};

use crate::support::{app, assert_contains, assert_page, publish_user, with_auth, with_settings};

/// A fake auth service, with a scripted response and recorded requests.
#[derive(Clone, Default)]
struct FakeAuth(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    status: StatusCode,
    cookies: Vec<String>,
    /// The `cookie` and `x-forwarded-for` of each request.
    requests: Vec<(String, String)>,
}

impl FakeAuth {
    /// Starts the fake service on a free port. Returns it and its URL.
    #[expect(clippy::disallowed_methods, reason = "a server of the test itself, which stops with its runtime")]
    async fn start() -> (Self, String) {
        let auth = Self::default();
        let routes = axum::Router::new().route("/api/users/refresh", post(refresh)).with_state(auth.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (auth, url)
    }

    fn respond_with(&self, status: StatusCode, cookies: &[&str]) {
        let mut script = self.0.lock().unwrap();
        script.status = status;
        script.cookies = cookies.iter().map(ToString::to_string).collect();
    }

    fn take_requests(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.0.lock().unwrap().requests)
    }
}

async fn refresh(State(auth): State<FakeAuth>, headers: HeaderMap) -> Response {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let mut script = auth.0.lock().unwrap();
    script.requests.push((text("cookie"), text("x-forwarded-for")));
    let mut response = (script.status, "{}").into_response();
    for cookie in &script.cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie.parse().unwrap());
    }
    response
}

/// Requests a page with these cookies. Returns the response and its `Set-Cookie` values.
async fn get(app: &TestApp, path: &str, cookies: &str) -> (testkit::app::request::Response, Vec<String>) {
    let response = app.request("GET", path).header("cookie", cookies).header("x-forwarded-for", "203.0.113.9").send();
    let response = response.await;
    let set = response.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    (response, set)
}

/// Creates a user whose name `web` has replicated.
async fn ana(app: &TestApp) -> User {
    let ana = app.signer.user();
    publish_user(app, ana.id, "Ana").await;
    app.wait_until_idle().await;
    ana
}

fn expired(app: &TestApp, user: &User) -> String {
    let claims = Signer::claims(user.id);
    app.signer.sign(&common::identity::Claims { exp: claims.iat - 60, ..claims })
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_session_is_renewed() {
    let (auth, url) = FakeAuth::start().await;
    let app = with_auth(&url).await;
    let ana = ana(&app).await;
    let renewed = format!("access={}; Path=/; HttpOnly; SameSite=Lax", ana.token);
    let rotated = "refresh=next; Path=/; HttpOnly; SameSite=Lax".to_owned();
    auth.respond_with(StatusCode::OK, &[&renewed, &rotated]);
    let cookies = format!("access={}; refresh=now; theme=dark", expired(&app, &ana));
    for path in ["/", "/orders"] {
        let (response, set) = get(&app, path, &cookies).await;
        assert_contains(&response.clone().expect(200).text(), &[">Ana<"]);
        assert_page(&response);
        assert_eq!(set, [renewed.clone(), rotated.clone()]);
        // This app trusts no proxy, so it ignores the `X-Forwarded-For` of the request.
        assert_eq!(auth.take_requests(), [(cookies.clone(), "127.0.0.1".to_owned())]);
    }
    // An error page sets the new cookies too, because the old refresh token is used up.
    let (response, set) = get(&app, "/tickets/nonsense", &cookies).await;
    response.expect(404);
    assert_eq!(set, [renewed, rotated]);
}

#[tokio::test(flavor = "multi_thread")]
async fn client_address_from_a_trusted_proxy_is_forwarded() {
    let (auth, url) = FakeAuth::start().await;
    let settings = [("AUTH_URL", url.as_str()), ("TRUSTED_PROXIES", "127.0.0.1")];
    let app = with_settings(&settings).await;
    auth.respond_with(StatusCode::UNAUTHORIZED, &[]);
    get(&app, "/", "refresh=now").await;
    assert_eq!(auth.take_requests(), [("refresh=now".to_owned(), "203.0.113.9".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ended_session_clears_its_cookies() {
    let (auth, url) = FakeAuth::start().await;
    let app = with_auth(&url).await;
    let cleared = ["access=; Path=/; Max-Age=0", "refresh=; Path=/; Max-Age=0"];
    auth.respond_with(StatusCode::UNAUTHORIZED, &cleared);
    let (response, set) = get(&app, "/", "refresh=stolen").await;
    assert_contains(&response.expect(200).text(), &["href=\"/signin\""]);
    assert_eq!(set, cleared);
    let (response, set) = get(&app, "/orders", "refresh=stolen").await;
    let response = response.expect(401);
    assert_contains(&response.text(), &["<h1>Sign in</h1>", "Sign in to continue"]);
    // By this header the service worker tells whether to keep passes.
    assert_eq!((set, response.header("retry-after")), (cleared.map(ToOwned::to_owned).to_vec(), ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn auth_is_called_only_when_needed() {
    let (auth, url) = FakeAuth::start().await;
    let app = with_auth(&url).await;
    let ana = ana(&app).await;
    auth.respond_with(StatusCode::INTERNAL_SERVER_ERROR, &["access=bad"]);
    let signed_in = format!("access={}; refresh=now", ana.token);
    for (path, cookies) in [
        ("/", signed_in.as_str()),
        ("/", "access=expired"),
        ("/", "refresh="),
        ("/robots.txt", "refresh=now"),
        ("/assets/style-0.css", "refresh=now"),
        ("/nothing", "refresh=now"),
    ] {
        let (_, set) = get(&app, path, cookies).await;
        assert!(set.is_empty(), "{path} {cookies}");
        assert!(auth.take_requests().is_empty(), "{path} {cookies}");
    }
    // A failing auth service does not clear the session.
    let (response, set) = get(&app, "/", "refresh=now").await;
    assert_contains(&response.expect(200).text(), &["href=\"/signin\""]);
    assert_eq!((set.len(), auth.take_requests().len()), (0, 1));
    let (response, _) = get(&app, "/orders", "refresh=now").await;
    assert_eq!(response.expect(401).header("retry-after"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn token_with_a_foreign_signature_is_rejected() {
    let (auth, url) = FakeAuth::start().await;
    let app = with_auth(&url).await;
    let stranger = Signer::new().user();
    auth.respond_with(StatusCode::OK, &[&format!("access={}; Path=/", stranger.token)]);
    let (response, _) = get(&app, "/orders", "refresh=now").await;
    response.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_render_for_guests_when_auth_is_unreachable() {
    let app = app().await;
    let (response, set) = get(&app, "/", "refresh=now").await;
    assert_contains(&response.expect(200).text(), &["href=\"/signin\""]);
    assert!(set.is_empty());
    eventually("the service to be ready still", async || app.monitor("/readyz").send().await.status == 200).await;
}
