//! One person at the public API, with their cookies.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::{Client, ClientBuilder, Method};
use serde_json::Value;

/// How long something that other services have yet to hear of is awaited.
const PATIENCE: Duration = Duration::from_secs(20);

/// Signed in once the sign-up or sign-in has been answered.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    client: Client,
    base: String,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    request: String,
}

impl Session {
    pub(crate) fn new(base: &str) -> Result<Self> {
        Self::through(Client::builder(), base)
    }

    /// By a client that knows how the shop is reached.
    pub(crate) fn through(client: ClientBuilder, base: &str) -> Result<Self> {
        let client = client.cookie_store(true).no_proxy().timeout(Duration::from_secs(60)).build()?;
        Ok(Self { client, base: base.to_owned() })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(Method::DELETE, path, None).await
    }

    /// Posts again while the answer is `404` or `503`: another service has not heard of it yet.
    pub(crate) async fn post_patiently(&self, path: &str, body: &Value) -> Result<Answer> {
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
    pub(crate) async fn wait_for(&self, path: &str, status: &str) -> Result<()> {
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
    pub(crate) fn expect(self, status: u16) -> Result<Value> {
        if self.status != status {
            bail!("{} was answered with {}: {}", self.request, self.status, self.body);
        }
        Ok(self.body)
    }
}

/// The text in a field.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value.get(field).and_then(Value::as_str).with_context(|| format!("no {field} in {value}"))
}
