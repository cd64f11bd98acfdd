//! Stripe's webhooks: the signature over the raw body, and the little that is read of an event.
//!
//! # Why
//! An event is a hint to look, never a fact: so only the intent's id is read, and newer shapes of
//! events do no harm.

use common::timestamp::Timestamp;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::Sha256;

/// How old a signature may be, in seconds, either way.
const TOLERANCE: i64 = 300;

/// The signature is missing, damaged, stale, or made with another secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// No `t=` or no `v1=`.
    #[error("must be like t=…,v1=…")]
    Malformed,
    /// Signed too long ago, or in the future.
    #[error("is older than five minutes")]
    Stale,
    /// No secret of ours made it.
    #[error("does not match the body")]
    Forged,
}

/// Checks the `Stripe-Signature` header of a raw body.
pub fn verify(header: &str, body: &[u8], secrets: &[SecretString], now: Timestamp) -> Result<(), BadSignature> {
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => time = value.parse::<i64>().ok(),
            Some(("v1", value)) => signatures.extend(hex::decode(value)),
            _ => {}
        }
    }
    let time = time.filter(|_| !signatures.is_empty()).ok_or(BadSignature::Malformed)?;
    let matches = |secret: &SecretString, signature: &[u8]| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return false };
        mac.update(time.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        // Compares in constant time.
        mac.verify_slice(signature).is_ok()
    };
    if !secrets.iter().any(|secret| signatures.iter().any(|signature| matches(secret, signature))) {
        return Err(BadSignature::Forged);
    }
    if (now.as_seconds() - time).abs() > TOLERANCE { Err(BadSignature::Stale) } else { Ok(()) }
}

/// What is read of an event.
#[derive(Debug, Deserialize)]
struct Event {
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    object: Object,
}

#[derive(Debug, Deserialize)]
struct Object {
    id: Option<String>,
    #[serde(rename = "object")]
    kind: Option<String>,
    payment_intent: Option<serde_json::Value>,
}

/// The intent that an event is about, directly or through a charge; `None` for other events.
pub fn intent(body: &[u8]) -> Option<String> {
    let object = serde_json::from_slice::<Event>(body).ok()?.data.object;
    if object.kind.as_deref() == Some("payment_intent") {
        return object.id;
    }
    match object.payment_intent? {
        serde_json::Value::String(id) => Some(id),
        serde_json::Value::Object(intent) => intent.get("id")?.as_str().map(ToOwned::to_owned),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(secret: &str, time: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{time}.{body}").as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }

    #[test]
    fn a_signature_is_believed_only_when_it_is_ours_and_fresh() {
        let secrets: Vec<SecretString> = vec!["whsec_new".into(), "whsec_old".into()];
        let now = Timestamp::from_millis(1_800_000_000_000);
        let t = now.as_seconds();
        let check = |header: &str, body: &str| verify(header, body.as_bytes(), &secrets, now);
        let good = sign("whsec_old", t, "{}");
        assert_eq!(check(&format!("t={t},v1={good}"), "{}"), Ok(()));
        assert_eq!(check(&format!("t={t},v1=00,v1={good},v0=x"), "{}"), Ok(()), "any of several may match");
        assert_eq!(check(&format!("t={t},v1={good}"), "{ }"), Err(BadSignature::Forged));
        assert_eq!(check(&format!("t={},v1={good}", t + 1), "{}"), Err(BadSignature::Forged));
        assert_eq!(check(&format!("t={t},v1={}", sign("whsec_other", t, "{}")), "{}"), Err(BadSignature::Forged));
        for wrong in ["", "t=1", "v1=00", "nonsense", &format!("t=x,v1={good}"), &format!("t={t},v1=zz")] {
            assert_eq!(check(wrong, "{}"), Err(BadSignature::Malformed), "{wrong}");
        }
        for late in [t - 301, t + 301] {
            let stale = sign("whsec_new", late, "{}");
            assert_eq!(check(&format!("t={late},v1={stale}"), "{}"), Err(BadSignature::Stale));
        }
    }

    #[test]
    fn the_intent_is_found_in_events_of_intents_and_of_charges() {
        let of = |object: &str| intent(format!(r#"{{"data":{{"object":{object}}}}}"#).as_bytes());
        assert_eq!(of(r#"{"object":"payment_intent","id":"pi_1","new_field":[]}"#).as_deref(), Some("pi_1"));
        assert_eq!(of(r#"{"object":"charge","id":"ch_1","payment_intent":"pi_2"}"#).as_deref(), Some("pi_2"));
        assert_eq!(of(r#"{"object":"charge","payment_intent":{"id":"pi_3"}}"#).as_deref(), Some("pi_3"));
        assert_eq!(of(r#"{"object":"customer","id":"cus_1"}"#), None);
        assert_eq!(intent(b"nonsense"), None);
    }
}
