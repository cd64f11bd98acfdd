//! The service under test, and shared test helpers.

use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use testkit::app::TestApp;
use testkit::app::request::{Request, Response};
use testkit::app::users::User;

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) async fn app() -> TestApp {
    app_with(&[]).await
}

pub(crate) async fn app_with(settings: &[(&str, &str)]) -> TestApp {
    let app = TestApp::start(auth::NAME, auth::build, settings).await;
    // Metrics are recorded from the first scrape on.
    app.monitor("/metrics").send().await.expect(200);
    app
}

/// A unique email address.
pub(crate) fn email() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("ana{}@example.com", COUNT.fetch_add(1, Ordering::SeqCst))
}

/// A signed-in user with the browser's cookies.
#[derive(Debug, Clone)]
pub(crate) struct SignedInUser {
    pub(crate) view: Value,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl SignedInUser {
    pub(crate) fn of(response: &Response) -> Self {
        let value = |name| cookie(response, name).expect("a cookie").value;
        Self { view: response.json(), access: value("access"), refresh: value("refresh") }
    }

    pub(crate) fn id(&self) -> &str {
        self.view["id"].as_str().unwrap()
    }

    pub(crate) fn email(&self) -> &str {
        self.view["email"].as_str().unwrap()
    }

    /// The same user as a type of the test kit.
    pub(crate) fn user(&self) -> User {
        User { id: self.id().parse().unwrap(), token: self.access.clone() }
    }

    /// The session that the access token belongs to.
    pub(crate) fn session(&self) -> String {
        claims(&self.access)["sid"].as_str().unwrap().to_owned()
    }
}

/// Signs a new user up.
pub(crate) async fn sign_up(app: &TestApp) -> SignedInUser {
    let body = json!({ "email": email(), "password": PASSWORD, "displayName": "Ana" });
    SignedInUser::of(&post(app, "signup", &body).await.expect(201))
}

pub(crate) async fn sign_in(app: &TestApp, email: &str, password: &str) -> Response {
    post(app, "signin", &json!({ "email": email, "password": password })).await
}

/// Signs in from another client address, as reported by a trusted proxy.
pub(crate) async fn sign_in_from(app: &TestApp, address: &str, email: &str, password: &str) -> Response {
    let body = json!({ "email": email, "password": password });
    app.request("POST", "/api/users/signin").header("x-forwarded-for", address).json(&body).send().await
}

pub(crate) async fn post(app: &TestApp, route: &str, body: &Value) -> Response {
    app.request("POST", &format!("/api/users/{route}")).json(body).send().await
}

pub(crate) fn with_cookies(app: &TestApp, method: &str, path: &str, cookies: &[(&str, &str)]) -> Request {
    let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    app.request(method, path).header("cookie", pairs.join("; "))
}

pub(crate) async fn refresh(app: &TestApp, token: &str) -> Response {
    with_cookies(app, "POST", "/api/users/refresh", &[("refresh", token)]).send().await
}

/// The current user for this access token, or null.
pub(crate) async fn whoami(app: &TestApp, access: &str) -> Value {
    let response = with_cookies(app, "GET", "/api/users/currentuser", &[("access", access)]).send().await.expect(200);
    response.json()["currentUser"].clone()
}

/// A cookie as the service sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SetCookie {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) attributes: Vec<String>,
}

pub(crate) fn set_cookies(response: &Response) -> Vec<SetCookie> {
    let read = |text: &str| {
        let mut parts = text.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let mut attributes: Vec<_> = parts.map(ToOwned::to_owned).collect();
        attributes.sort();
        SetCookie { name: name.to_owned(), value: value.to_owned(), attributes }
    };
    response.headers.get_all("set-cookie").iter().map(|value| read(value.to_str().unwrap())).collect()
}

pub(crate) fn cookie(response: &Response, name: &str) -> Option<SetCookie> {
    set_cookies(response).into_iter().find(|cookie| cookie.name == name)
}

/// Whether the response clears both cookies.
pub(crate) fn clears_cookies(response: &Response) -> bool {
    let cleared = |cookie: &SetCookie| cookie.value.is_empty() && cookie.attributes.contains(&"Max-Age=0".to_owned());
    let cookies = set_cookies(response);
    let names: Vec<_> = cookies.iter().map(|cookie| cookie.name.as_str()).collect();
    names == ["access", "refresh"] && cookies.iter().all(cleared)
}

/// The unverified claims of a token.
pub(crate) fn claims(token: &str) -> Value {
    part(token, 1)
}

/// A token's header (0) or claims (1).
pub(crate) fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Number of password verifications so far.
pub(crate) async fn verify_count(app: &TestApp) -> u64 {
    let metrics = app.monitor("/metrics").send().await.expect(200).text();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("password_hash_duration_seconds_count") && line.contains("operation=\"verify\""));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}
