//! One person at the public API, with their cookies.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method};
use serde_json::Value;

/// How long something that other services have yet to hear of is awaited.
const PATIENCE: Duration = Duration::from_secs(20);

/// Signed in once the sign-up or sign-in has been answered.
#[derive(Debug, Clone)]
pub(super) struct Session {
    client: Client,
    base: String,
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    request: String,
}

impl Session {
    pub(super) fn new(base: &str) -> Result<Self> {
        let client = Client::builder().cookie_store(true).no_proxy().timeout(Duration::from_secs(60)).build()?;
        Ok(Self { client, base: base.to_owned() })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(super) async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(Method::DELETE, path, None).await
    }

    /// Posts again while the answer is `404` or `503`: another service has not heard of it yet.
    pub(super) async fn post_patiently(&self, path: &str, body: &Value) -> Result<Answer> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.post(path, body).await?;
            if !matches!(answer.status, 404 | 503) || Instant::now() > deadline {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Gets until the entity has this status.
    pub(super) async fn wait_for(&self, path: &str, status: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let body = self.get(path).await?.expect(200)?;
            let now = text(&body, "status")?;
            if now == status {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{path} is still {now} and not {status}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer> {
        let named = format!("{method} {path}");
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| named.clone())?;
        let status = response.status().as_u16();
        let body = response.json().await.unwrap_or_default();
        Ok(Answer { status, body, request: named })
    }
}

impl Answer {
    /// The body, if the status is this one.
    pub(super) fn expect(self, status: u16) -> Result<Value> {
        if self.status != status {
            bail!("{} was answered with {}: {}", self.request, self.status, self.body);
        }
        Ok(self.body)
    }
}

/// The text in a field.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value.get(field).and_then(Value::as_str).with_context(|| format!("no {field} in {value}"))
}
