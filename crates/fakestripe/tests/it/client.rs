//! Starts a server per test on a free port; request helpers.

use std::time::{Duration, Instant};

use fakestripe::Config;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use tokio::net::TcpListener;

/// A running server, which stops with the test's runtime.
pub(crate) struct Server {
    pub(crate) url: String,
    http: reqwest::Client,
}

/// Status, body and headers of a response.
pub(crate) struct TestResponse {
    pub(crate) status: u16,
    pub(crate) json: Value,
    pub(crate) headers: reqwest::header::HeaderMap,
}

impl TestResponse {
    async fn read(response: Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, json, headers }
    }

    /// The body; panics unless the status is 200.
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{:#}", self.json);
        self.json
    }

    pub(crate) fn error(&self, name: &str) -> &str {
        self.json["error"][name].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(fakestripe::serve(listener, config));
        Self { url, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    /// A request without an API key.
    pub(crate) fn unauthenticated(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.unauthenticated(method, path).bearer_auth("sk_test_x")
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> TestResponse {
        TestResponse::read(request.send().await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> TestResponse {
        self.send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> TestResponse {
        self.send(self.request(Method::POST, path).form(form)).await
    }

    /// Posts a form with an idempotency key.
    pub(crate) async fn post_idempotent(&self, key: &str, path: &str, form: &[(&str, &str)]) -> TestResponse {
        let request = self.request(Method::POST, path).form(form);
        self.send(request.header("idempotency-key", key)).await
    }

    /// Creates and confirms an intent with this payment method.
    pub(crate) async fn pay(&self, method: &str, more: &[(&str, &str)]) -> TestResponse {
        let mut form = vec![("amount", "2000"), ("currency", "usd"), ("confirm", "true"), ("payment_method", method)];
        form.extend(more);
        self.post("/v1/payment_intents", &form).await
    }

    /// Calls the control API.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> TestResponse {
        self.send(self.unauthenticated(method, path).json(&body)).await
    }

    pub(crate) async fn state(&self) -> Value {
        self.send(self.unauthenticated(Method::GET, "/_fake/state")).await.ok()
    }

    /// The types of all events, oldest first.
    pub(crate) async fn events(&self) -> Vec<String> {
        let state = self.state().await;
        let events = state["events"].as_array().unwrap();
        let kinds = events.iter().map(|event| event["type"].as_str().unwrap().to_owned());
        kinds.collect()
    }
}

pub(crate) fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// Polls until the condition is true; panics after ten seconds.
pub(crate) async fn wait_until<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "timed out");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
