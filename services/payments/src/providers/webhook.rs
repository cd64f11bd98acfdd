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
    /// No `t=` or no `v1=`, or far too long.
    #[error("must be like t=…,v1=…")]
    Malformed,
    /// Signed too long ago, or in the future.
    #[error("is older than five minutes")]
    Stale,
    /// No secret of ours made it.
    #[error("does not match the body")]
    Forged,
}

/// The longest header that is read, in bytes, and how many signatures are read of it: Stripe signs once with
/// each secret that is valid at the time, and that is one, or two while one is replaced.
const LONGEST: usize = 4096;
const SIGNATURES: usize = 16;

/// Checks the `Stripe-Signature` header of a raw body. What it costs is bounded, whoever sends it: one HMAC of
/// the body for each secret of ours, and none where the header alone shows that it can't be right.
pub fn verify(header: &str, body: &[u8], secrets: &[SecretString], now: Timestamp) -> Result<(), BadSignature> {
    if header.len() > LONGEST {
        return Err(BadSignature::Malformed);
    }
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => time = value.parse::<i64>().ok(),
            Some(("v1", value)) if signatures.len() < SIGNATURES => signatures.extend(hex::decode(value)),
            _ => {}
        }
    }
    let time = time.filter(|_| !signatures.is_empty()).ok_or(BadSignature::Malformed)?;
    if now.as_seconds().saturating_sub(time).saturating_abs() > TOLERANCE {
        return Err(BadSignature::Stale);
    }
    let is_ours = |secret: &SecretString| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return false };
        mac.update(time.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        // Of the body once; a copy is finished for each comparison, which takes constant time.
        signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    };
    if secrets.iter().any(is_ours) { Ok(()) } else { Err(BadSignature::Forged) }
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
    fn what_a_header_costs_does_not_grow_with_it() {
        let secrets: Vec<SecretString> = vec!["whsec_new".into(), "whsec_old".into()];
        let now = Timestamp::from_millis(1_800_000_000_000);
        let t = now.as_seconds();
        let body = "x".repeat(1 << 20);
        let good = sign("whsec_old", t, &body);
        let check = |header: &str| verify(header, body.as_bytes(), &secrets, now);
        // The least of some: what else the machine does makes it longer, never shorter.
        let time_of = |header: &str| {
            let timed = std::iter::repeat_with(|| (std::time::Instant::now(), check(header)));
            timed.take(7).map(|(began, end)| (began.elapsed(), end)).min_by_key(|(took, _)| *took).unwrap()
        };
        let (once, end) = time_of(&format!("t={t},v1={}", "0".repeat(64)));
        assert_eq!(end, Err(BadSignature::Forged));
        for entries in [format!("v1={},", "0".repeat(64)).repeat(55), "v1=,".repeat(900), "v1=00,".repeat(600)] {
            let (many, end) = time_of(&format!("t={t},{entries}v1={good}"));
            assert_eq!(end, Err(BadSignature::Forged), "only the first few are compared");
            // One HMAC a secret, not one a signature: 55 times as long, it was.
            assert!(many < once * 5, "{many:?} for many signatures, {once:?} for one");
        }
        let longer = format!("t={t},v1={good},{}", "v1=00,".repeat(1400));
        assert_eq!(check(&longer), Err(BadSignature::Malformed), "8 KB are not read");
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
