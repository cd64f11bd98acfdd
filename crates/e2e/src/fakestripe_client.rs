//! A client of fakestripe, the stand-in for the card network. It makes changes that do not come from the marketplace:
//! actions of staff in the card network's dashboard, outcomes of 3-D Secure challenges, and faults.

use anyhow::{Context as _, Result, ensure};
use fakestripe::control::{Challenge, ChallengeResult};
use fakestripe::faults::Faults;
use serde_json::Value;

/// A client that controls fakestripe. It bypasses the proxy between the services and fakestripe.
#[derive(Clone)]
pub struct FakestripeClient {
    client: reqwest::Client,
    url: String,
    key: String,
}

impl FakestripeClient {
    pub(crate) fn new(url: String, key: String) -> Self {
        Self { client: reqwest::Client::new(), url, key }
    }

    /// The environment variables that let a program read fakestripe.
    pub fn settings(&self) -> [(&'static str, String); 2] {
        [("STRIPE_URL", self.url.clone()), ("STRIPE_KEY", self.key.clone())]
    }

    /// The whole state of fakestripe.
    pub async fn state(&self) -> Result<Value> {
        let text = self.client.get(format!("{}/_fake/state", self.url)).send().await?.text().await?;
        serde_json::from_str(&text).context("parsing the state of fakestripe")
    }

    /// Replaces the fault configuration of fakestripe.
    pub async fn set_faults(&self, faults: &Faults) -> Result<()> {
        let set = self.client.put(format!("{}/_fake/faults", self.url)).json(faults).send().await?;
        ensure!(set.status().is_success(), "setting {faults:?} returned {}", set.status());
        Ok(())
    }

    /// Ends the 3-D Secure challenge of a payment intent with this outcome.
    pub async fn authenticate(&self, intent: &str, outcome: ChallengeResult) -> Result<()> {
        let url = format!("{}/_fake/payment_intents/{intent}/authenticate", self.url);
        self.client.post(url).json(&Challenge { outcome }).send().await?;
        Ok(())
    }

    /// Cancels a payment intent; does nothing if it can't be cancelled.
    pub async fn cancel(&self, intent: &str) -> Result<()> {
        self.post(&format!("payment_intents/{intent}/cancel"), &[]).await.map(drop)
    }

    /// Charges a card without a payment of the marketplace. The amount is in euro cents.
    pub async fn charge(&self, amount: u32) -> Result<()> {
        let amount = amount.to_string();
        let form = [
            ("amount", amount.as_str()),
            ("currency", "eur"),
            ("payment_method", "pm_card_visa"),
            ("payment_method_types[]", "card"),
            ("confirm", "true"),
        ];
        ensure_success(self.post("payment_intents", &form).await?).await
    }

    /// Refunds the charge of a payment intent whole.
    pub async fn refund(&self, intent: &str) -> Result<()> {
        ensure_success(self.post("refunds", &[("payment_intent", intent)]).await?).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Result<reqwest::Response> {
        let url = format!("{}/v1/{path}", self.url);
        Ok(self.client.post(url).bearer_auth(&self.key).form(form).send().await?)
    }
}

async fn ensure_success(response: reqwest::Response) -> Result<()> {
    let status = response.status();
    let body = response.text().await?;
    ensure!(status.is_success(), "{status}: {body}");
    Ok(())
}
