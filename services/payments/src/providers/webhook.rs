//! Stripe's webhooks: verification of the signature over the raw body, and parsing of the event.
//!
//! # Why
//! An event only triggers a look-up; its content is not trusted. So only the type and the intent's id are parsed, and
//! newer formats of events do no harm: of their fields, only those of `StripeEvent` are read.

use common::events::payment::PaymentStatus;
use common::timestamp::Timestamp;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use validator::{Validate, ValidationError};

/// Maximum difference between a signature's time and this service's clock.
const TOLERANCE_SECONDS: i64 = 300;

/// Why a signature was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// No `t=` or no `v1=`, or the header is too long.
    #[error("must have the form t=…,v1=…")]
    Malformed,
    /// The signature's time is too far in the past or the future.
    #[error("differs from this server's clock by more than five minutes")]
    OutsideTolerance,
    /// None of the configured secrets produced the signature.
    #[error("does not match the body")]
    Mismatch,
}

/// Maximum length of the header, and maximum number of its signatures that are read. Stripe signs once with each valid
/// secret: one, or two while a secret is rotated.
const MAX_HEADER_BYTES: usize = 4096;
const MAX_SIGNATURES: usize = 16;

/// Verifies the `Stripe-Signature` header of a raw body. The cost is bounded for any sender: one HMAC of the body per
/// configured secret, and none if the header alone is invalid.
pub fn verify(header: &str, body: &[u8], secrets: &[SecretString], now: Timestamp) -> Result<(), BadSignature> {
    if header.len() > MAX_HEADER_BYTES {
        return Err(BadSignature::Malformed);
    }
    let mut time = None;
    let mut signatures = Vec::new();
    for part in header.split(',') {
        match part.trim().split_once('=') {
            Some(("t", value)) => time = value.parse::<i64>().ok(),
            Some(("v1", value)) if signatures.len() < MAX_SIGNATURES => signatures.extend(hex::decode(value)),
            _ => {}
        }
    }
    let time = time.filter(|_| !signatures.is_empty()).ok_or(BadSignature::Malformed)?;
    if now.as_seconds().saturating_sub(time).saturating_abs() > TOLERANCE_SECONDS {
        return Err(BadSignature::OutsideTolerance);
    }
    let matches_secret = |secret: &SecretString| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return false };
        mac.update(time.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        // The body is hashed once; each comparison finishes a copy, in constant time.
        signatures.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    };
    if secrets.iter().any(matches_secret) { Ok(()) } else { Err(BadSignature::Mismatch) }
}

/// Types of events that need no look-up. This service creates the intents itself; and what happens to a charge when its
/// intent is confirmed or captured is also an event of the intent: `payment_intent.amount_capturable_updated`,
/// `payment_intent.succeeded` or `payment_intent.payment_failed`.
const REDUNDANT_TYPES: [&str; 4] = ["payment_intent.created", "charge.succeeded", "charge.failed", "charge.captured"];

/// An event about an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentEvent {
    /// The intent's id.
    pub reference: String,
    kind: String,
}

impl IntentEvent {
    /// Parses an event about an intent, or about the charge of one. Returns `None` for other events, and for types that
    /// never need a look-up.
    pub fn parse(body: &[u8]) -> Option<Self> {
        let event: StripeEvent = serde_json::from_slice(body).ok()?;
        event.validate().ok()?;
        let StripeEvent { kind, data } = event;
        if REDUNDANT_TYPES.contains(&kind.as_str()) {
            return None;
        }
        let StripeObject { object, id, payment_intent } = data.object;
        let reference = match payment_intent {
            _ if object == "payment_intent" => id?,
            Some(IntentReference::Id(id) | IntentReference::Expanded { id }) => id,
            None => return None,
        };
        Some(Self { reference, kind })
    }

    /// Whether a payment with this status already shows what the event reports, because the response to this service's
    /// own call said the same. Later changes of the intent or of its charge have events of their own.
    pub fn is_known_at(&self, status: PaymentStatus) -> bool {
        match self.kind.as_str() {
            "payment_intent.amount_capturable_updated" => {
                matches!(status, PaymentStatus::Authorized | PaymentStatus::Captured)
            }
            "payment_intent.succeeded" => status == PaymentStatus::Captured,
            _ => false,
        }
    }
}

/// The part of an event that is read.
#[derive(Debug, Deserialize, Validate)]
struct StripeEvent {
    #[serde(default, rename = "type")]
    kind: String,
    #[validate(nested)]
    data: EventData,
}

#[derive(Debug, Deserialize, Validate)]
struct EventData {
    #[validate(nested)]
    object: StripeObject,
}

/// The object that the event is about.
#[derive(Debug, Deserialize, Validate)]
struct StripeObject {
    /// The type of the object.
    #[serde(default)]
    object: String,
    #[validate(custom(function = "is_object_id"))]
    id: Option<String>,
    /// The intent of a charge.
    #[validate(custom(function = "refers_to_an_object"))]
    payment_intent: Option<IntentReference>,
}

/// A charge contains its intent, or only the intent's id.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum IntentReference {
    Id(String),
    Expanded { id: String },
}

fn refers_to_an_object(reference: &IntentReference) -> Result<(), ValidationError> {
    let (IntentReference::Id(id) | IntentReference::Expanded { id }) = reference;
    is_object_id(id)
}

/// Validates the syntax of an object's id: 1 to 255 letters, digits and underscores.
fn is_object_id(id: &str) -> Result<(), ValidationError> {
    let fits = (1..=255).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits { Ok(()) } else { Err(ValidationError::new("object_id")) }
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
    fn accepts_only_fresh_signatures_made_with_our_secrets() {
        let secrets: Vec<SecretString> = vec!["whsec_new".into(), "whsec_old".into()];
        let now = Timestamp::from_millis(1_800_000_000_000);
        let t = now.as_seconds();
        let check = |header: &str, body: &str| verify(header, body.as_bytes(), &secrets, now);
        let good = sign("whsec_old", t, "{}");
        assert_eq!(check(&format!("t={t},v1={good}"), "{}"), Ok(()));
        assert_eq!(check(&format!("t={t},v1=00,v1={good},v0=x"), "{}"), Ok(()), "one of several matches");
        assert_eq!(check(&format!("t={t},v1={good}"), "{ }"), Err(BadSignature::Mismatch));
        assert_eq!(check(&format!("t={},v1={good}", t + 1), "{}"), Err(BadSignature::Mismatch));
        assert_eq!(check(&format!("t={t},v1={}", sign("whsec_other", t, "{}")), "{}"), Err(BadSignature::Mismatch));
        for wrong in ["", "t=1", "v1=00", "nonsense", &format!("t=x,v1={good}"), &format!("t={t},v1=zz")] {
            assert_eq!(check(wrong, "{}"), Err(BadSignature::Malformed), "{wrong}");
        }
        for late in [t - 301, t + 301] {
            let stale = sign("whsec_new", late, "{}");
            assert_eq!(check(&format!("t={late},v1={stale}"), "{}"), Err(BadSignature::OutsideTolerance));
        }
    }

    #[test]
    fn verification_cost_does_not_grow_with_the_header() {
        let secrets: Vec<SecretString> = vec!["whsec_new".into(), "whsec_old".into()];
        let now = Timestamp::from_millis(1_800_000_000_000);
        let t = now.as_seconds();
        let body = "x".repeat(1 << 20);
        let good = sign("whsec_old", t, &body);
        let check = |header: &str| verify(header, body.as_bytes(), &secrets, now);
        // The minimum of several measurements: other load only makes a measurement longer.
        let time_of = |header: &str| {
            let timed = std::iter::repeat_with(|| (std::time::Instant::now(), check(header)));
            timed.take(7).map(|(started, end)| (started.elapsed(), end)).min_by_key(|(took, _)| *took).unwrap()
        };
        let (once, end) = time_of(&format!("t={t},v1={}", "0".repeat(64)));
        assert_eq!(end, Err(BadSignature::Mismatch));
        // Each header is almost as long as `MAX_HEADER_BYTES` allows.
        for entries in [format!("v1={},", "0".repeat(64)).repeat(55), "v1=,".repeat(900), "v1=00,".repeat(600)] {
            let (many, end) = time_of(&format!("t={t},{entries}v1={good}"));
            assert_eq!(end, Err(BadSignature::Mismatch), "only the first few are compared");
            // One HMAC per secret, not one per signature, which would take up to 55 times as long.
            assert!(many < once * 5, "{many:?} for many signatures, {once:?} for one");
        }
        let longer = format!("t={t},v1={good},{}", "v1=00,".repeat(1400));
        assert_eq!(check(&longer), Err(BadSignature::Malformed), "a header of 8 KB is rejected");
    }

    #[test]
    fn reference_is_found_in_events_of_intents_and_charges() {
        let parse = |object: &str| IntentEvent::parse(format!(r#"{{"data":{{"object":{object}}}}}"#).as_bytes());
        let of = |object: &str| parse(object).map(|event| event.reference);
        assert_eq!(of(r#"{"object":"payment_intent","id":"pi_1","new_field":[]}"#).as_deref(), Some("pi_1"));
        assert_eq!(of(r#"{"object":"charge","id":"ch_1","payment_intent":"pi_2"}"#).as_deref(), Some("pi_2"));
        assert_eq!(of(r#"{"object":"charge","payment_intent":{"id":"pi_3"}}"#).as_deref(), Some("pi_3"));
        assert_eq!(of(r#"{"object":"customer","id":"cus_1"}"#), None);
        assert_eq!(of(r#"{"object":"charge","payment_intent":null}"#), None);
        for malformed in ["\"\"", "1", "{}", "{\"$ne\":1}", "\"pi 1\"", &format!("\"{}\"", "p".repeat(256))] {
            assert_eq!(of(&format!(r#"{{"object":"payment_intent","id":{malformed}}}"#)), None, "{malformed}");
            assert_eq!(of(&format!(r#"{{"object":"charge","payment_intent":{malformed}}}"#)), None, "{malformed}");
        }
        assert_eq!(IntentEvent::parse(b"nonsense"), None);
    }

    #[test]
    fn event_that_another_one_accompanies_needs_no_look_up() {
        let of = |kind: &str, object: &str| {
            let object = format!(r#"{{"object":"{object}","id":"pi_1","payment_intent":"pi_1"}}"#);
            IntentEvent::parse(format!(r#"{{"type":"{kind}","data":{{"object":{object}}}}}"#).as_bytes())
        };
        for kind in ["created", "amount_capturable_updated", "succeeded", "payment_failed", "canceled"] {
            let found = of(&format!("payment_intent.{kind}"), "payment_intent");
            assert_eq!(found.is_some(), kind != "created", "{kind}");
        }
        for (kind, is_redundant) in
            [("succeeded", true), ("failed", true), ("captured", true), ("refunded", false), ("dispute.created", false)]
        {
            assert_eq!(of(&format!("charge.{kind}"), "charge").is_none(), is_redundant, "{kind}");
        }
    }

    #[test]
    fn only_what_this_service_was_told_itself_is_known() {
        use PaymentStatus::{Authorized, Authorizing, Captured, Declined, Failed, RequiresAction, Voided};
        for (kind, known_at) in [
            ("payment_intent.amount_capturable_updated", &[Authorized, Captured][..]),
            ("payment_intent.succeeded", &[Captured]),
            ("payment_intent.canceled", &[]),
            ("payment_intent.payment_failed", &[]),
            ("charge.refunded", &[]),
            ("charge.dispute.created", &[]),
        ] {
            let event = IntentEvent { reference: "pi_1".to_owned(), kind: kind.to_owned() };
            for status in [Authorizing, RequiresAction, Authorized, Captured, Declined, Voided, Failed] {
                assert_eq!(event.is_known_at(status), known_at.contains(&status), "{kind} {status:?}");
            }
        }
    }
}
