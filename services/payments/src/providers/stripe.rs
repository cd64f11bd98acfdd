//! Stripe: payment intents with manual capture.
//!
//! # Why
//! Creating is keyed by the payment's id, and repeated byte for byte as it was stored, since Stripe refuses a key
//! with other parameters. Capturing and cancelling are not keyed: the intent's own state lets each happen once,
//! and a key would replay a stored 500 for a day. After any doubt the intent is looked up; one that was created
//! by a call whose answer is a stored 500 is found by its metadata.

use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::Context as _;
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

use super::{Authorization, ListedIntent, ProviderError, Submission, Window};
use crate::domain::intent::{Charge, Intent, Standing};

/// The provider's name in payments and metrics.
pub const NAME: &str = "stripe";
/// The metadata key that holds our payment's id.
const PAYMENT: &str = "payment_id";
/// How far Stripe's clock and ours may be apart.
const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Stripe's API.
pub struct Stripe(Client);

impl Stripe {
    /// A client that connects when it is first used.
    pub fn new(key: &SecretString, url: &str, timeout: Duration) -> anyhow::Result<Self> {
        let client = ClientBuilder::new(key.expose_secret())
            .url(url)
            .timeout(timeout)
            .request_strategy(RequestStrategy::Once)
            .build()
            .with_context(|| "payments: STRIPE_URL or STRIPE_KEY is wrong".to_owned())?;
        Ok(Self(client))
    }

    /// Authorises an amount, once for each payment however often it is called within a day.
    pub async fn authorize(&self, submission: Submission<'_>) -> Result<Intent, ProviderError> {
        let create = async {
            let key = key(&submission.payment.to_string())?;
            // The stored request replaces the body and with it the placeholders for amount and currency.
            let mut create = CreatePaymentIntent::new(0, Currency::USD).build();
            create.body = Some(submission.request.to_owned());
            let create = create.customize::<PaymentIntent>().request_strategy(RequestStrategy::Idempotent(key));
            match create.send(&self.0).await {
                Ok(intent) => Ok(read(intent)),
                Err(StripeError::Stripe(error, status)) => refusal(*error, status),
                Err(error) => Err(unknown(&error)),
            }
        };
        timed("authorize", standing, Box::pin(create)).await
    }

    /// The intent that was created for a payment in this window, if there is one. Of several, the one that may
    /// still move money.
    pub async fn find(&self, payment: PaymentId, created: Window) -> Result<Option<Intent>, ProviderError> {
        let id = payment.to_string();
        let search = async {
            let mut listed = self.created(created.from.minus(CLOCK_SKEW), Some(created.to.plus(CLOCK_SKEW)));
            let mut found = None;
            while let Some(intent) = listed.try_next().await.map_err(|error| unknown(&error))? {
                if intent.metadata.get(PAYMENT) == Some(&id) {
                    let intent = read(intent);
                    if !matches!(intent.standing, Standing::Cancelled { .. }) {
                        return Ok(Some(intent));
                    }
                    found = Some(intent);
                }
            }
            Ok(found)
        };
        timed("find", done, Box::pin(search)).await
    }

    /// Charges what was authorised, once however often it is called.
    pub async fn capture(&self, reference: &str) -> Result<Intent, ProviderError> {
        let capture = async { CapturePaymentIntent::new(reference.to_owned()).send(&self.0).await };
        timed("capture", standing, Box::pin(self.or_look_up(reference, capture))).await
    }

    /// Releases what was authorised. The intent returned may have been captured already.
    pub async fn cancel(&self, reference: &str) -> Result<Intent, ProviderError> {
        let cancel = async { CancelPaymentIntent::new(reference.to_owned()).send(&self.0).await };
        timed("cancel", standing, Box::pin(self.or_look_up(reference, cancel))).await
    }

    /// Reads the intent.
    pub async fn look_up(&self, reference: &str) -> Result<Intent, ProviderError> {
        timed("lookUp", standing, Box::pin(self.retrieve(reference))).await
    }

    /// Every intent that was created for a payment of ours at or after `since`, by the provider's clock.
    pub async fn created_since(&self, since: Timestamp) -> Result<Vec<ListedIntent>, ProviderError> {
        let list = async {
            let mut found = self.created(since.minus(CLOCK_SKEW), None);
            let mut listed = Vec::new();
            while let Some(intent) = found.try_next().await.map_err(|error| unknown(&error))? {
                let Some(payment) = intent.metadata.get(PAYMENT).and_then(|id| id.parse().ok()) else { continue };
                let (amount, currency) = (intent.amount, intent.currency.to_string());
                let Intent { reference, standing, charge, .. } = read(intent);
                listed.push(ListedIntent { reference, payment, standing, amount, currency, charge });
            }
            Ok(listed)
        };
        timed("list", done, Box::pin(list)).await
    }

    /// Refunds what is left of a charge, once for each key however often it is called within a day.
    pub async fn refund(&self, reference: &str, idempotency_key: &str) -> Result<(), ProviderError> {
        let refund = async {
            let refund = CreateRefund::new().payment_intent(reference).customize();
            let strategy = RequestStrategy::Idempotent(key(idempotency_key)?);
            match refund.request_strategy(strategy).send(&self.0).await {
                Ok(_) => Ok(()),
                Err(StripeError::Stripe(error, 400 | 402)) => Err(ProviderError::Refused(code(&error))),
                Err(StripeError::Stripe(error, 500)) => Err(ProviderError::Failed(code(&error))),
                Err(error) => Err(unknown(&error)),
            }
        };
        timed("refund", done, Box::pin(refund)).await
    }

    /// Every intent that was created in this time, page by page.
    fn created(
        &self,
        from: Timestamp,
        to: Option<Timestamp>,
    ) -> impl Stream<Item = Result<PaymentIntent, StripeError>> + Unpin {
        let lte = to.map(Timestamp::as_seconds);
        let bounds = RangeBoundsTs { gte: Some(from.as_seconds()), lte, ..RangeBoundsTs::default() };
        let list = ListPaymentIntent::new()
            .created(RangeQueryTs::Bounds(bounds))
            .limit(100)
            .expand(vec!["data.latest_charge".to_owned()]);
        list.paginate().stream(&self.0)
    }

    async fn retrieve(&self, reference: &str) -> Result<Intent, ProviderError> {
        let intent = RetrievePaymentIntent::new(reference.to_owned()).expand(vec!["latest_charge".to_owned()]);
        intent.send(&self.0).await.map(read).map_err(|error| unknown(&error))
    }

    /// Makes the call; where it fails, the intent itself says what happened.
    async fn or_look_up(
        &self,
        reference: &str,
        call: impl Future<Output = Result<PaymentIntent, StripeError>>,
    ) -> Result<Intent, ProviderError> {
        match call.await {
            Ok(intent) => Ok(read(intent)),
            Err(_) => self.retrieve(reference).await,
        }
    }
}

/// The body of the request that authorises an amount, to be stored before it is sent. Fails for what can't be
/// authorised.
pub fn prepare(authorization: &Authorization) -> Result<String, ProviderError> {
    let Authorization { payment, order, amount, method } = authorization;
    let currency: Currency =
        amount.currency.lower().parse().map_err(|_| ProviderError::Refused("currency_not_supported".to_owned()))?;
    let metadata =
        HashMap::from([(PAYMENT.to_owned(), payment.to_string()), ("order_id".to_owned(), order.to_string())]);
    // Cards alone: a method that redirects to another site could return after the hold has ended.
    let methods = CreatePaymentIntentAutomaticPaymentMethods {
        allow_redirects: Some(CreatePaymentIntentAutomaticPaymentMethodsAllowRedirects::Never),
        enabled: true,
    };
    let create = CreatePaymentIntent::new(amount.amount, currency)
        .payment_method(method.as_str())
        .automatic_payment_methods(methods)
        .capture_method(PaymentIntentCaptureMethod::Manual)
        .confirm(true)
        .metadata(metadata);
    Ok(create.build().body.unwrap_or_default())
}

/// Runs a call in a span of its own, and counts and times it by its outcome.
async fn timed<T>(
    operation: &'static str,
    outcome: fn(&Result<T, ProviderError>) -> &'static str,
    call: BoxFuture<'_, Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let span = tracing::info_span!("provider call", otel.kind = "client", provider = NAME, operation, outcome = "none");
    let began = Instant::now();
    let answer = call.instrument(span.clone()).await;
    let outcome = outcome(&answer);
    span.record("outcome", outcome);
    let labels = [("provider", NAME), ("operation", operation), ("outcome", outcome)];
    metrics::histogram!("provider_call_duration_seconds", &labels).record(began.elapsed().as_secs_f64());
    answer
}

/// The outcome of a call that returns an intent: where it stands, or the kind of error.
fn standing(answer: &Result<Intent, ProviderError>) -> &'static str {
    answer.as_ref().map_or_else(Into::into, |intent| (&intent.standing).into())
}

/// The outcome of any other call.
fn done<T>(answer: &Result<T, ProviderError>) -> &'static str {
    answer.as_ref().map_or_else(Into::into, |_| "done")
}

fn key(text: &str) -> Result<IdempotencyKey, ProviderError> {
    IdempotencyKey::new(text).map_err(|error| ProviderError::Unknown(error.to_string()))
}

/// Where an intent stands.
fn read(intent: PaymentIntent) -> Intent {
    let refused = intent.last_payment_error.as_deref().map(code);
    let standing = match intent.status {
        PaymentIntentStatus::RequiresAction => Standing::RequiresAction,
        PaymentIntentStatus::RequiresCapture => Standing::Authorized,
        PaymentIntentStatus::Succeeded => Standing::Captured,
        PaymentIntentStatus::Canceled => Standing::Cancelled { reason: refused },
        PaymentIntentStatus::RequiresPaymentMethod => {
            Standing::Declined { reason: refused.unwrap_or_else(|| "card_declined".to_owned()) }
        }
        // Creating confirms in the same call: one that is not confirmed is what a call left that broke.
        PaymentIntentStatus::RequiresConfirmation => Standing::Declined { reason: "provider_error".to_owned() },
        // Processing, or a status that is newer than this code.
        _ => Standing::Pending,
    };
    let charge = intent.latest_charge.as_ref().and_then(Expandable::as_object);
    let charge = charge.filter(|charge| charge.captured).map(|charge| Charge {
        // What a partial capture left out counts as refunded, too.
        kept: intent.amount_received.min(charge.amount - charge.amount_refunded),
        disputed: charge.disputed,
    });
    Intent { reference: intent.id.to_string(), standing, charge, client_secret: intent.client_secret }
}

/// What an error answer to a creation means.
fn refusal(error: ApiErrors, status: u16) -> Result<Intent, ProviderError> {
    if error.type_ == ApiErrorsType::CardError {
        let reason = code(&error);
        return match error.payment_intent {
            Some(intent) => Ok(read(intent)),
            None => Err(ProviderError::Refused(reason)),
        };
    }
    let about_method = error.param.as_deref() == Some("payment_method");
    match status {
        400 | 404 if about_method && error.code == Some(ApiErrorsCode::ResourceMissing) => {
            Err(ProviderError::UnknownMethod)
        }
        400 | 404 if error.type_ == ApiErrorsType::InvalidRequestError => Err(ProviderError::Refused(code(&error))),
        // Stripe keeps this answer under the key. A gateway's 502, 503 or 504 may have come before the call was
        // finished.
        500 => Err(ProviderError::Failed(code(&error))),
        _ => Err(ProviderError::Unknown(format!("{status} {}", code(&error)))),
    }
}

/// The most telling code of an error.
fn code(error: &ApiErrors) -> String {
    let coded = error.code.as_ref().map(ToString::to_string);
    error.decline_code.clone().or(coded).unwrap_or_else(|| error.type_.to_string())
}

/// A failed call in words that hold no secret.
fn unknown(error: &StripeError) -> ProviderError {
    ProviderError::Unknown(match error {
        StripeError::Stripe(error, status) => format!("{status} {}", code(error)),
        StripeError::Timeout => "timed out".to_owned(),
        StripeError::JSONDeserialize(why) => format!("unreadable answer: {why}"),
        StripeError::ClientError(why) | StripeError::ConfigError(why) => why.clone(),
    })
}
