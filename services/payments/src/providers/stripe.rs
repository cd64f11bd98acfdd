//! Stripe: payment intents with manual capture.
//!
//! # Why
//! A creation has the payment's id as its idempotency key, and its stored request is resent verbatim, because Stripe
//! rejects a key with other parameters. Captures and cancellations have no key: the intent's own status makes each
//! happen once, and a key would replay a stored 500 for a day. After any ambiguous response the intent is read. If its
//! id is not known, because the creation returned a 500, the intent is found by its metadata.

use std::collections::HashMap;
use std::future::{self, Future};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use common::events::order::OrderState;
use common::id::PaymentId;
use common::timestamp::Timestamp;
use futures::future::BoxFuture;
use futures::{Stream, TryStreamExt};
use secrecy::{ExposeSecret, SecretString};
use stripe::{Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError, StripeRequest};
use stripe_core::payment_intent::{
    CancelPaymentIntent, CapturePaymentIntent, CreatePaymentIntent, CreatePaymentIntentAutomaticPaymentMethods,
    CreatePaymentIntentAutomaticPaymentMethodsAllowRedirects, ListPaymentIntent, RetrievePaymentIntent,
};
use stripe_core::refund::CreateRefund;
use stripe_shared::{
    ApiErrors, ApiErrorsCode, ApiErrorsType, PaymentIntent, PaymentIntentCaptureMethod, PaymentIntentStatus,
};
use stripe_types::{Currency, Expandable, RangeBoundsTs, RangeQueryTs};
use tracing::Instrument as _;

use super::{ListedIntent, ProviderError};
use crate::domain::intent::{Charge, Intent, IntentStatus};

type Result<T, E = ProviderError> = std::result::Result<T, E>;

/// The provider's name in payments and metrics.
pub const NAME: &str = "stripe";
/// The metadata key of the payment's id.
const PAYMENT_ID: &str = "payment_id";
/// Maximum difference between Stripe's clock and this service's.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(300);

/// A client of Stripe's API.
pub struct Stripe(Client);

impl Stripe {
    /// Creates a client, which connects when it is first used.
    pub fn new(key: &SecretString, url: &str, timeout: Duration) -> anyhow::Result<Self> {
        let client = ClientBuilder::new(key.expose_secret())
            .url(url)
            .timeout(timeout)
            .request_strategy(RequestStrategy::Once)
            .build()
            .with_context(|| "payments: STRIPE_URL or STRIPE_KEY is wrong".to_owned())?;
        Ok(Self(client))
    }

    /// Authorises a payment's amount. `request` is the body that [`prepare`] returned, in this version of the service
    /// or an earlier one. Idempotent for a day.
    pub async fn authorize(&self, payment: PaymentId, request: &str) -> Result<Intent> {
        let create = async {
            let key = key(&payment.to_string())?;
            // The stored request replaces the body and with it the placeholders for amount and currency.
            let mut create = CreatePaymentIntent::new(0, Currency::USD).build();
            create.body = Some(request.to_owned());
            let create = create.customize::<PaymentIntent>().request_strategy(RequestStrategy::Idempotent(key));
            match create.send(&self.0).await {
                Ok(intent) => Ok(to_intent(intent)),
                Err(StripeError::Stripe(error, status)) => creation_error(*error, status),
                Err(error) => Err(unknown(&error)),
            }
        };
        timed("authorize", intent_status, Box::pin(create)).await
    }

    /// Finds the intent that was created for a payment between `from` and `to`, by this service's clock. Prefers an
    /// intent that is not cancelled.
    pub async fn find(&self, payment: PaymentId, from: Timestamp, to: Timestamp) -> Result<Option<Intent>> {
        let search = async {
            let mut listed = self.created(from, Some(to));
            let mut found = None;
            while let Some(listed) = listed.try_next().await? {
                if listed.payment == payment {
                    if !matches!(listed.intent.status, IntentStatus::Cancelled { .. }) {
                        return Ok(Some(listed.intent));
                    }
                    found = Some(listed.intent);
                }
            }
            Ok(found)
        };
        timed("find", done, Box::pin(search)).await
    }

    /// Charges this amount, in minor units; what else was authorised is released. Idempotent.
    pub async fn capture(&self, reference: &str, amount: i64) -> Result<Intent> {
        let capture = CapturePaymentIntent::new(reference.to_owned()).amount_to_capture(amount);
        let capture = async { capture.send(&self.0).await };
        timed("capture", intent_status, Box::pin(self.or_look_up(reference, capture))).await
    }

    /// Releases the authorisation. The returned intent may have been captured before.
    pub async fn cancel(&self, reference: &str) -> Result<Intent> {
        let cancel = async { CancelPaymentIntent::new(reference.to_owned()).send(&self.0).await };
        timed("cancel", intent_status, Box::pin(self.or_look_up(reference, cancel))).await
    }

    /// Reads an intent.
    pub async fn look_up(&self, reference: &str) -> Result<Intent> {
        timed("lookUp", intent_status, Box::pin(self.retrieve(reference))).await
    }

    /// Lists the intents that were created for payments of this service at or after `since`, with a margin for clock
    /// differences.
    pub async fn created_since(&self, since: Timestamp) -> Result<Vec<ListedIntent>> {
        timed("list", done, Box::pin(self.created(since, None).try_collect())).await
    }

    /// Refunds the rest of a charge. Idempotent per key for a day.
    pub async fn refund(&self, reference: &str, idempotency_key: &str) -> Result<()> {
        let refund = async {
            let refund = CreateRefund::new().payment_intent(reference).customize();
            let strategy = RequestStrategy::Idempotent(key(idempotency_key)?);
            match refund.request_strategy(strategy).send(&self.0).await {
                Ok(_) => Ok(()),
                Err(StripeError::Stripe(error, 400 | 402 | 404)) => Err(ProviderError::Permanent(code(&error))),
                Err(StripeError::Stripe(error, 500)) => Err(ProviderError::Failed(code(&error))),
                Err(error) => Err(unknown(&error)),
            }
        };
        timed("refund", done, Box::pin(refund)).await
    }

    /// Lists the intents that were created for payments of this service in a time range, page by page.
    fn created(&self, from: Timestamp, to: Option<Timestamp>) -> impl Stream<Item = Result<ListedIntent>> + Unpin {
        let (gte, lte) = (from.minus(MAX_CLOCK_SKEW).as_seconds(), to.map(|to| to.plus(MAX_CLOCK_SKEW).as_seconds()));
        let bounds = RangeBoundsTs { gte: Some(gte), lte, ..RangeBoundsTs::default() };
        let list = ListPaymentIntent::new()
            .created(RangeQueryTs::Bounds(bounds))
            .limit(100)
            .expand(vec!["data.latest_charge".to_owned()]);
        let intents = list.paginate().stream(&self.0).map_err(|error| unknown(&error));
        intents.try_filter_map(|intent| future::ready(Ok(listed(intent))))
    }

    async fn retrieve(&self, reference: &str) -> Result<Intent> {
        let intent = RetrievePaymentIntent::new(reference.to_owned()).expand(vec!["latest_charge".to_owned()]);
        intent.send(&self.0).await.map(to_intent).map_err(|error| unknown(&error))
    }

    /// Makes a call; if it fails, reads the intent instead.
    async fn or_look_up(
        &self,
        reference: &str,
        call: impl Future<Output = Result<PaymentIntent, StripeError>>,
    ) -> Result<Intent> {
        match call.await {
            Ok(intent) => Ok(to_intent(intent)),
            Err(_) => self.retrieve(reference).await,
        }
    }
}

/// The body of the request that authorises an order's price, to be stored before it is sent.
pub fn prepare(payment: PaymentId, order: &OrderState, method: &str) -> String {
    let Ok(currency) = order.price.currency.lowercase().parse::<Currency>();
    let metadata =
        HashMap::from([(PAYMENT_ID.to_owned(), payment.to_string()), ("order_id".to_owned(), order.id.to_string())]);
    // Methods that redirect to another site are excluded: the buyer could return after the hold has ended.
    let methods = CreatePaymentIntentAutomaticPaymentMethods {
        allow_redirects: Some(CreatePaymentIntentAutomaticPaymentMethodsAllowRedirects::Never),
        enabled: true,
    };
    let create = CreatePaymentIntent::new(order.price.amount, currency)
        .payment_method(method)
        .automatic_payment_methods(methods)
        .capture_method(PaymentIntentCaptureMethod::Manual)
        .confirm(true)
        .metadata(metadata);
    create.build().body.unwrap_or_default()
}

/// Traces a call and records its duration by its outcome.
async fn timed<T>(
    operation: &'static str,
    outcome: fn(&Result<T>) -> &'static str,
    call: BoxFuture<'_, Result<T>>,
) -> Result<T> {
    let span = tracing::info_span!("provider call", otel.kind = "client", provider = NAME, operation, outcome = "none");
    let started = Instant::now();
    let result = call.instrument(span.clone()).await;
    let outcome = outcome(&result);
    span.record("outcome", outcome);
    let labels = [("provider", NAME), ("operation", operation), ("outcome", outcome)];
    metrics::histogram!("provider_call_duration_seconds", &labels).record(started.elapsed().as_secs_f64());
    result
}

/// The outcome label of a call that returns an intent: the intent's status or the kind of error.
fn intent_status(result: &Result<Intent>) -> &'static str {
    result.as_ref().map_or_else(Into::into, |intent| (&intent.status).into())
}

/// The outcome label of any other call.
fn done<T>(result: &Result<T>) -> &'static str {
    result.as_ref().map_or_else(Into::into, |_| "done")
}

fn key(text: &str) -> Result<IdempotencyKey> {
    IdempotencyKey::new(text).map_err(|error| ProviderError::Unknown(error.to_string()))
}

fn to_intent(intent: PaymentIntent) -> Intent {
    let decline_code = intent.last_payment_error.as_deref().map(code);
    let status = match intent.status {
        PaymentIntentStatus::RequiresAction => IntentStatus::RequiresAction,
        PaymentIntentStatus::RequiresCapture => IntentStatus::Authorized,
        PaymentIntentStatus::Succeeded => IntentStatus::Captured,
        PaymentIntentStatus::Canceled => IntentStatus::Cancelled { reason: decline_code },
        PaymentIntentStatus::RequiresPaymentMethod => {
            IntentStatus::Declined { reason: decline_code.unwrap_or_else(|| "card_declined".to_owned()) }
        }
        // A creation also confirms, so an unconfirmed intent is left over from a call that was interrupted.
        PaymentIntentStatus::RequiresConfirmation => IntentStatus::Declined { reason: "provider_error".to_owned() },
        // Processing, or a status that is unknown to this code.
        _ => IntentStatus::Pending,
    };
    let charge = intent.latest_charge.as_ref().and_then(Expandable::as_object);
    let charge = charge.filter(|charge| charge.captured).map(|charge| Charge {
        received: intent.amount_received,
        // The part that a partial capture left out counts as refunded.
        net_amount: intent.amount_received.min(charge.amount - charge.amount_refunded),
        disputed: charge.disputed,
    });
    Intent { reference: intent.id.to_string(), status, charge, client_secret: intent.client_secret }
}

/// The intent, if it was created for a payment of this service.
fn listed(intent: PaymentIntent) -> Option<ListedIntent> {
    let payment = intent.metadata.get(PAYMENT_ID)?.parse().ok()?;
    let (amount, currency) = (intent.amount, intent.currency.to_string());
    Some(ListedIntent { intent: to_intent(intent), payment, amount, currency })
}

/// The result of a creation whose response is an error.
fn creation_error(error: ApiErrors, status: u16) -> Result<Intent> {
    if error.type_ == ApiErrorsType::CardError {
        let reason = code(&error);
        return match error.payment_intent {
            Some(intent) => Ok(to_intent(intent)),
            None => Err(ProviderError::Permanent(reason)),
        };
    }
    let about_method = error.param.as_deref() == Some("payment_method");
    match status {
        400 | 404 if about_method && error.code == Some(ApiErrorsCode::ResourceMissing) => {
            Err(ProviderError::UnknownMethod)
        }
        400 | 404 if error.type_ == ApiErrorsType::InvalidRequestError => Err(ProviderError::Permanent(code(&error))),
        // Stripe replays this response for the key. A 502, 503 or 504 comes from a gateway, perhaps before the call
        // was finished.
        500 => Err(ProviderError::Failed(code(&error))),
        _ => Err(ProviderError::Unknown(format!("{status} {}", code(&error)))),
    }
}

/// The most specific code of an error.
fn code(error: &ApiErrors) -> String {
    let coded = error.code.as_ref().map(ToString::to_string);
    error.decline_code.clone().or(coded).unwrap_or_else(|| error.type_.to_string())
}

/// Describes a failed call without secrets.
fn unknown(error: &StripeError) -> ProviderError {
    ProviderError::Unknown(match error {
        StripeError::Stripe(error, status) => format!("{status} {}", code(error)),
        StripeError::Timeout => "timed out".to_owned(),
        StripeError::JSONDeserialize(why) => format!("unreadable response: {why}"),
        StripeError::ClientError(why) | StripeError::ConfigError(why) => why.clone(),
    })
}
