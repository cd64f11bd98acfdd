//! Somebody who uses the shop through the gateway.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

/// A client with a cookie jar of its own.
#[derive(Clone)]
pub struct Person {
    client: reqwest::Client,
    base: String,
    token: Option<String>,
}

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body as JSON; a string when it is none.
    pub body: Value,
}

impl Answer {
    /// The entity's id.
    pub fn id(&self) -> String {
        self.body["id"].as_str().unwrap_or_default().to_owned()
    }
}

/// How long [`Person::sees`] waits.
const DEADLINE: Duration = Duration::from_secs(30);

impl Person {
    pub(crate) fn new(base: String, token: Option<String>) -> Result<Self> {
        let client = reqwest::Client::builder().cookie_store(true).timeout(Duration::from_secs(30)).build()?;
        Ok(Self { client, base, token })
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Answer> {
        let request = match &self.token {
            Some(token) => request.header("cookie", format!("access={token}")),
            None => request,
        };
        let response = request.send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(self.client.get(format!("{}{path}", self.base))).await
    }

    /// POST of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(self.client.post(format!("{}{path}", self.base)).json(body)).await
    }

    /// PUT of JSON.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer> {
        self.send(self.client.put(format!("{}{path}", self.base)).json(body)).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Result<Answer> {
        self.send(self.client.delete(format!("{}{path}", self.base))).await
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
        let began = Instant::now();
        loop {
            let answer = self.get(path).await?;
            if answer.body["status"] == status {
                return Ok(answer.body);
            }
            anyhow::ensure!(began.elapsed() < DEADLINE, "{path} is not {status} but {answer:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
