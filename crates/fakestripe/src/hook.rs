//! Where events are delivered, and the signature that they carry.

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::config::present;

/// Where events go, and what signs them.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) url: Option<String>,
    secrets: Vec<String>,
}

impl Hook {
    /// `secrets` may be several, separated by commas.
    pub(crate) fn new(url: Option<&String>, secrets: &str) -> Self {
        let secrets = secrets.split(',').map(|secret| secret.trim().to_owned());
        Self { url: present(url).map(str::to_owned), secrets: secrets.filter(|secret| !secret.is_empty()).collect() }
    }

    pub(crate) fn is_set(&self) -> bool {
        self.url.is_some()
    }

    /// `t=…,v1=…`, one `v1` for each secret.
    pub(crate) fn signature(&self, time: i64, body: &str) -> String {
        let mut header = format!("t={time}");
        for secret in &self.secrets {
            // A key of any length is taken, so this cannot fail.
            if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) {
                mac.update(format!("{time}.{body}").as_bytes());
                header.push_str(",v1=");
                header.push_str(&hex::encode(mac.finalize().into_bytes()));
            }
        }
        header
    }
}
