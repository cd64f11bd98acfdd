//! Somebody who uses the shop through the gateway.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use crate::journal::{self, Journal};

/// A client with a cookie jar of its own, whose every request is written down.
#[derive(Clone)]
pub struct Person {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
    journal: Arc<Journal>,
    /// The newest version of each entity that this client was shown.
    seen: Arc<Mutex<BTreeMap<String, u64>>>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body as JSON; a string when it is none.
    pub body: Value,
    /// The entity's version, from the `ETag` or the body.
    version: Option<u64>,
}

impl Answer {
    /// The entity's id.
    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn version(&self) -> Option<u64> {
        self.version
    }

    /// Whether the server has said for good what it did: it was not out of order, nor out of breath.
    fn is_definite(&self) -> bool {
        self.status < 500 && self.status != 429
    }

    /// Whether it says that the first request with this key is still under way.
    fn is_in_flight(&self) -> bool {
        self.body["type"].as_str().is_some_and(|kind| kind.ends_with(":in-flight"))
    }
}

/// How long [`Person::sees`] and [`Person::insists`] go on: longer than any fault, and than a hold
/// that was made by a clock which is wrong by two minutes.
const DEADLINE: Duration = Duration::from_secs(180);
/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_secs(40);

impl Person {
    pub(crate) fn new(base: String, token: Option<String>, journal: Arc<Journal>) -> Result<Self> {
        let client = reqwest::Client::builder().cookie_store(true).timeout(PATIENCE).build()?;
        Ok(Self { client, base, token, journal, seen: Arc::default() })
    }

    /// The access token, of somebody who never signed in by the front door.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>, key: Option<&str>) -> Result<Answer> {
        let known = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            journal::entity(path, &Value::Null).and_then(|(area, id)| seen.get(&format!("{area}/{id}")).copied())
        };
        let answer = self.exchange(&method, path, body, key).await;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.journal.record((method.as_str(), path), key, answer.as_ref().ok(), &mut seen, known);
        answer.with_context(|| format!("{method} {path}"))
    }

    async fn exchange(&self, method: &Method, path: &str, body: Option<&Value>, key: Option<&str>) -> Result<Answer> {
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(token) = &self.token {
            request = request.header("cookie", format!("access={token}"));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok()?.trim_matches('"').parse().ok());
        let text = response.text().await?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let version = etag.or_else(|| body["version"].as_u64());
        Ok(Answer { status, body, version })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, None, None).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(Method::POST, path, Some(body), None).await
    }

    /// PUT of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(Method::PUT, path, Some(body), None).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(Method::DELETE, path, None, None).await
    }

    /// POST of JSON, repeated with the same key until there is an answer that says what happened.
    pub async fn insists(&self, path: &str, body: &Value, key: &str) -> Result<Answer> {
        self.until_definite(Method::POST, path, Some(body), Some(key)).await
    }

    /// DELETE, repeated likewise.
    pub async fn insists_on_deleting(&self, path: &str) -> Result<Answer> {
        self.until_definite(Method::DELETE, path, None, None).await
    }

    async fn until_definite(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<Answer> {
        let began = Instant::now();
        loop {
            let last = match self.send(method.clone(), path, body, key).await {
                Ok(answer) if answer.is_definite() && !answer.is_in_flight() => return Ok(answer),
                Ok(answer) => format!("{answer:?}"),
                Err(error) => format!("{error:#}"),
            };
            anyhow::ensure!(began.elapsed() < DEADLINE, "{method} {path} has no definite answer: {last}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Lists a ticket; its id.
    pub async fn lists(&self, listing: &Value) -> Result<String> {
        let answer = self.post("/api/tickets", listing).await?;
        anyhow::ensure!(answer.status == 201, "{answer:?}");
        Ok(answer.id())
    }

    /// Holds a ticket, waiting for the listing to arrive at orders; the order.
    pub async fn holds(&self, ticket: &str) -> Result<Answer> {
        let began = Instant::now();
        loop {
            let answer = self.post("/api/orders", &json!({ "ticketId": ticket })).await?;
            match answer.status {
                201 => return Ok(answer),
                404 if began.elapsed() < DEADLINE => tokio::time::sleep(Duration::from_millis(20)).await,
                _ => bail!("{answer:?}"),
            }
        }
    }

    /// Pays for an order.
    pub async fn pays(&self, order: &str, method: &str) -> Result<Answer> {
        self.post("/api/payments", &json!({ "orderId": order, "paymentMethod": method })).await
    }

    /// Waits until what is at this path has this status; the entity.
    pub async fn sees(&self, path: &str, status: &str) -> Result<Value> {
        self.sees_one_of(path, &[status]).await
    }

    /// Waits until what is at this path has one of these statuses, also while the shop is out of
    /// order; the entity.
    pub async fn sees_one_of(&self, path: &str, statuses: &[&str]) -> Result<Value> {
        let began = Instant::now();
        loop {
            let answer = self.get(path).await;
            if let Ok(answer) = &answer
                && statuses.iter().any(|status| answer.body["status"] == *status)
            {
                return Ok(answer.body.clone());
            }
            anyhow::ensure!(began.elapsed() < DEADLINE, "{path} is not {statuses:?} but {answer:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
