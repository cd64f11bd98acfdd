//! Checks the intents at the payment provider against the payments: a payment has at most one live intent, and the two
//! agree in status and amount.
//!
//! # Why
//! The provider lists intents in pages of 100, newest first. A list of all would take too long, so only the intents of
//! a period are listed, at a limited rate. They are compared with the payments page by page, and only a digest of each
//! intent's id stays in memory.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use common::events::payment::PaymentStatus;
use common::timestamp::Timestamp;
use futures::{Stream, StreamExt, TryStreamExt};
use serde_json::Value;
use stripe::{Client, ClientBuilder, RequestStrategy, StripeError};
use stripe_core::payment_intent::{ListPaymentIntent, RetrievePaymentIntent};
use stripe_shared::PaymentIntent;
use stripe_types::{Expandable, RangeBoundsTs, RangeQueryTs};

use super::entity::{Entity, text};
use super::finding::Finding;
use super::history::digest;
use super::join::ReadRateLimit;
use super::money::{is_captured, received, refunded};
use super::names::PROVIDER;

/// The provider's URL if none is set.
const DEFAULT_URL: &str = "https://api.stripe.com";
/// Number of intents in a page of the list.
pub(super) const PAGE_SIZE: usize = 100;
/// Maximum number of intents that are listed in a second: ten pages.
const RATE: NonZeroU32 = match NonZeroU32::new(1_000) {
    Some(rate) => rate,
    None => NonZeroU32::MIN,
};
/// Maximum duration of a request.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum number of attempts at a request. The provider rejects requests that exceed its rate limit.
const ATTEMPTS: u32 = 4;
/// The key under which `payments` stores the payment's id in an intent's metadata.
const PAYMENT_ID: &str = "payment_id";
/// Maximum difference between the provider's clock and ours.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(300);
/// Default of `--provider-period`: the period whose intents `payments` itself compares with its payments.
const DEFAULT_PERIOD: Duration = Duration::from_secs(48 * 3600);

#[derive(Debug, Clone, Args)]
pub(crate) struct ProviderArgs {
    /// Stripe API key with read access to payment intents and charges. Without it, the intents are not checked.
    #[arg(long, env = "STRIPE_KEY", hide_env_values = true)]
    pub(crate) stripe_key: Option<String>,
    /// Stripe's API, `https://api.stripe.com` by default.
    #[arg(long, env = "STRIPE_URL")]
    pub(crate) stripe_url: Option<String>,
    /// How far back the intents are checked; 48h by default.
    #[arg(long, value_parser = crate::durations::interval)]
    pub(crate) provider_period: Option<Duration>,
}

impl ProviderArgs {
    /// Options that disable the check of the intents.
    pub(crate) const NONE: Self = Self { stripe_key: None, stripe_url: None, provider_period: None };
}

/// The fields of an intent that the audit compares. Amounts are in minor units of the currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intent {
    /// The provider's id of the intent.
    pub(super) reference: String,
    /// The id of the payment that it was created for; `None` if `payments` did not create it.
    pub(super) payment: Option<String>,
    /// The provider's name of the status, such as `requires_capture`.
    status: String,
    amount: i64,
    /// In lower case.
    currency: String,
    /// The amount that was received and not refunded.
    net: i64,
}

impl From<PaymentIntent> for Intent {
    fn from(intent: PaymentIntent) -> Self {
        let charge = intent.latest_charge.as_ref().and_then(Expandable::as_object);
        // After a partial capture, the provider counts the part that was not captured as refunded.
        let net = charge.filter(|charge| charge.captured).map_or(intent.amount_received, |charge| {
            intent.amount_received.min(charge.amount - charge.amount_refunded)
        });
        Self {
            reference: intent.id.to_string(),
            payment: intent.metadata.get(PAYMENT_ID).cloned(),
            status: intent.status.as_str().to_owned(),
            amount: intent.amount,
            currency: intent.currency.to_string().to_lowercase(),
            net,
        }
    }
}

impl Intent {
    /// Whether the provider holds money that was not refunded, or may still receive some.
    fn is_live(&self) -> bool {
        match self.status.as_str() {
            "canceled" => false,
            "succeeded" => self.net > 0,
            _ => true,
        }
    }
}

/// Checks an intent against the payment that it names. `payment` is `None` if it names none, or if that one does not
/// exist.
pub(super) fn check_intent(intent: &Intent, payment: Option<&Entity>) -> Option<Finding> {
    let Intent { reference, status, net, .. } = intent;
    let Some(payment) = payment else {
        let ids = [Some(reference.clone()), intent.payment.clone()];
        let text = format!("intent {reference} is {status} and belongs to no payment");
        return intent.is_live().then(|| Finding::new(PROVIDER, "payments", ids.into_iter().flatten(), text));
    };
    let id = payment.id.as_str();
    let report = |text: String| Some(Finding::new(PROVIDER, "payments", [id, reference.as_str()], text));
    let recorded = text(&payment.state["providerRef"]);
    if recorded != reference {
        let is_starting =
            recorded.is_empty() && payment.status().is_some_and(|status: PaymentStatus| !status.is_final());
        if is_starting || !intent.is_live() {
            return None;
        }
        return report(format!("payment {id} has the further intent {reference}, which is {status}"));
    }
    let expected = match payment.status::<PaymentStatus>()? {
        // The intent may have any status until the provider's response is recorded.
        PaymentStatus::Authorizing => return None,
        PaymentStatus::RequiresAction => "requires_action",
        PaymentStatus::Authorized => "requires_capture",
        PaymentStatus::Captured => "succeeded",
        PaymentStatus::Declined | PaymentStatus::Failed | PaymentStatus::Voided => "canceled",
    };
    let charged = if is_captured(payment) { received(payment) - refunded(payment) } else { 0 };
    if status != expected || *net != charged {
        let ours = payment.status_name();
        return report(format!(
            "payment {id} is {ours} with {charged}, and its intent {reference} is {status} with {net}"
        ));
    }
    let amount = &payment.state["amount"];
    let is_equal = amount["amount"] == intent.amount && text(&amount["currency"]).to_lowercase() == intent.currency;
    if is_equal || payment.state["received"] != Value::Null {
        return None;
    }
    report(format!("payment {id} and its intent {reference} are not of the same amount"))
}

/// Reports a payment whose intent does not exist at the provider.
pub(super) fn missing(payment: &str, reference: &str) -> Finding {
    let text = format!("payment {payment} has the intent {reference}, which the provider does not have");
    Finding::new(PROVIDER, "payments", [payment, reference], text)
}

/// Lists the intents created since this time, newest first. Begins earlier by the maximum difference of the clocks.
pub(super) fn list(client: &Client, since: Timestamp) -> impl Stream<Item = Result<Intent>> + Unpin {
    let bounds = RangeBoundsTs { gte: Some(since.minus(MAX_CLOCK_SKEW).as_seconds()), ..RangeBoundsTs::default() };
    let list = ListPaymentIntent::new()
        .created(RangeQueryTs::Bounds(bounds))
        .limit(100)
        .expand(vec!["data.latest_charge".to_owned()]);
    list.paginate().stream(client).map_ok(Intent::from).map_err(|error| failure(&error)).fuse()
}

/// A client of the provider.
pub(super) struct Provider {
    client: Client,
    rate_limit: ReadRateLimit,
    /// The start of the checked period.
    since: Timestamp,
    /// The end of the checked period.
    until: Timestamp,
    /// The digests of the ids of the listed intents.
    seen: HashSet<u64>,
}

impl Provider {
    /// Creates a client, which connects with its first request. The checked period ends at `now`.
    pub(super) fn new(key: &str, args: &ProviderArgs, now: Timestamp) -> Result<Self> {
        let client = ClientBuilder::new(key)
            .url(args.stripe_url.as_deref().unwrap_or(DEFAULT_URL))
            .timeout(TIMEOUT)
            .request_strategy(RequestStrategy::ExponentialBackoff(ATTEMPTS))
            .build()
            .context("STRIPE_URL or STRIPE_KEY is wrong")?;
        let since = now.minus(args.provider_period.unwrap_or(DEFAULT_PERIOD));
        Ok(Self { client, rate_limit: ReadRateLimit::new(RATE), since, until: now, seen: HashSet::new() })
    }

    /// The arguments of [`list`]: a client with the same connections, and the start of the checked period.
    pub(super) fn period(&self) -> (Client, Timestamp) {
        (self.client.clone(), self.since)
    }

    /// Records listed intents for [`Self::has_seen`]. Waits as long as the rate limit requires.
    pub(super) async fn see(&mut self, intents: &[Intent]) {
        self.seen.extend(intents.iter().map(|intent| digest(&[&intent.reference])));
        self.rate_limit.count(intents.len()).await;
    }

    /// Whether the intent with this id was listed.
    pub(super) fn has_seen(&self, reference: &str) -> bool {
        self.seen.contains(&digest(&[reference]))
    }

    /// The ids of the payments that were created in the checked period: from the first (inclusive) to the second
    /// (exclusive). A payment id is a UUIDv7, which begins with the time of creation.
    pub(super) fn payment_ids(&self) -> (String, String) {
        (first_id_at(self.since), first_id_at(self.until))
    }

    /// Reads an intent by its id; `None` if the provider does not have it. The request counts as one page against the
    /// rate limit.
    pub(super) async fn get(&mut self, reference: &str) -> Result<Option<Intent>> {
        self.rate_limit.count(PAGE_SIZE).await;
        let get = RetrievePaymentIntent::new(reference.to_owned()).expand(vec!["latest_charge".to_owned()]);
        match Box::pin(get.send(&self.client)).await {
            Ok(intent) => Ok(Some(intent.into())),
            Err(StripeError::Stripe(_, 404)) => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }
}

/// The smallest UUIDv7 with this time.
fn first_id_at(time: Timestamp) -> String {
    let hex = format!("{:012x}", time.as_millis().max(0));
    let (high, low) = hex.split_at(8);
    format!("{high}-{low}-7000-8000-000000000000")
}

/// Describes a failed request without secrets.
fn failure(error: &StripeError) -> anyhow::Error {
    let why = match error {
        StripeError::Stripe(error, status) => format!("{status} {}", error.type_),
        StripeError::Timeout => "the request timed out".to_owned(),
        StripeError::JSONDeserialize(why) => format!("the response can't be decoded: {why}"),
        StripeError::ClientError(why) | StripeError::ConfigError(why) => why.clone(),
    };
    anyhow!("the intents can't be read from the payment provider: {why}")
}

#[cfg(test)]
mod tests {
    use common::id::PaymentId;
    use serde_json::json;

    use super::*;
    use crate::audit::fixtures::entity;

    fn intent(status: &str, net: i64) -> Intent {
        let (reference, currency) = ("pi_1".to_owned(), "eur".to_owned());
        Intent { reference, payment: Some("p".to_owned()), status: status.to_owned(), amount: 50, currency, net }
    }

    fn payment(status: &str, reference: Option<&str>) -> Entity {
        let amount = json!({ "amount": 50, "currency": "EUR" });
        entity("p", json!({ "status": { "name": status }, "amount": amount, "providerRef": reference }))
    }

    fn found(intent: &Intent, payment: Option<&Entity>) -> Option<String> {
        check_intent(intent, payment).map(|finding| format!("{finding} {:?}", finding.ids))
    }

    #[test]
    fn consistent_intents_have_no_finding() {
        for (ours, theirs, net) in [
            ("requiresAction", "requires_action", 0),
            ("authorized", "requires_capture", 0),
            ("captured", "succeeded", 50),
            ("declined", "canceled", 0),
            ("voided", "canceled", 0),
            ("authorizing", "succeeded", 50),
        ] {
            assert_eq!(found(&intent(theirs, net), Some(&payment(ours, Some("pi_1")))), None, "{ours}");
        }
        assert_eq!(found(&intent("requires_capture", 0), Some(&payment("authorizing", None))), None);
        let mut refunded = payment("captured", Some("pi_1"));
        refunded.state["refunded"] = json!({ "amount": { "amount": 20, "currency": "EUR" } });
        assert_eq!(found(&intent("succeeded", 30), Some(&refunded)), None);
        // These intents hold no money and will receive none.
        for harmless in [intent("canceled", 0), intent("succeeded", 0)] {
            assert_eq!(found(&harmless, None), None);
            assert_eq!(found(&harmless, Some(&payment("captured", Some("pi_2")))), None);
        }
    }

    #[test]
    fn each_disagreement_is_a_finding() {
        let captured = payment("captured", Some("pi_1"));
        for (intent, payment, expected) in [
            (intent("succeeded", 50), None, "intent pi_1 is succeeded and belongs to no payment [\"pi_1\", \"p\"]"),
            (
                Intent { payment: None, ..intent("requires_capture", 0) },
                None,
                "intent pi_1 is requires_capture and belongs to no payment [\"pi_1\"]",
            ),
            (
                intent("succeeded", 50),
                Some(payment("captured", Some("pi_2"))),
                "payment p has the further intent pi_1, which is succeeded [\"p\", \"pi_1\"]",
            ),
            (
                intent("requires_capture", 0),
                Some(payment("voided", Some("pi_1"))),
                "payment p is voided with 0, and its intent pi_1 is requires_capture with 0 [\"p\", \"pi_1\"]",
            ),
            (
                intent("succeeded", 30),
                Some(captured.clone()),
                "payment p is captured with 50, and its intent pi_1 is succeeded with 30 [\"p\", \"pi_1\"]",
            ),
            (
                Intent { currency: "usd".to_owned(), ..intent("succeeded", 50) },
                Some(captured),
                "payment p and its intent pi_1 are not of the same amount [\"p\", \"pi_1\"]",
            ),
        ] {
            assert_eq!(found(&intent, payment.as_ref()), Some(format!("12 provider: {expected}")));
        }
    }

    #[test]
    fn payments_of_a_period_are_found_by_their_ids() {
        let before = Timestamp::from_millis(1_700_000_000_000);
        let id = PaymentId::new().to_string();
        assert!(first_id_at(before) < id);
        assert!(first_id_at(before).parse::<PaymentId>().is_ok());
        assert!(first_id_at(Timestamp::from_millis(4_000_000_000_000)) > id);
    }
}
