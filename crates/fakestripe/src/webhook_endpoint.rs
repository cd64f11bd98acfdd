//! The receiver of events, and the signature that it verifies.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::config::non_empty;

/// URL and signing secrets of the receiver of events.
#[derive(Clone, Debug, Default)]
pub(crate) struct WebhookEndpoint {
    pub(crate) url: Option<String>,
    secrets: Vec<String>,
}

impl WebhookEndpoint {
    /// `secrets` may contain several, separated by commas.
    pub(crate) fn new(url: Option<&String>, secrets: &str) -> Self {
        let secrets = secrets.split(',').map(|secret| secret.trim().to_owned());
        Self { url: non_empty(url).map(str::to_owned), secrets: secrets.filter(|secret| !secret.is_empty()).collect() }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.url.is_some()
    }

    /// The value of the `Stripe-Signature` header: `t=…,v1=…`, with one `v1` per secret. `time` is in Unix seconds.
    pub(crate) fn signature(&self, time: i64, body: &str) -> String {
        let mut header = format!("t={time}");
        for secret in &self.secrets {
            // HMAC accepts keys of any length, so this cannot fail.
            if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
                mac.update(format!("{time}.{body}").as_bytes());
                header.push_str(",v1=");
                header.push_str(&hex::encode(mac.finalize().into_bytes()));
            }
        }
        header
    }
}
