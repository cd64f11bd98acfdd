//! Stripe: payment intents with manual capture.
//!
//! # Why
//! Creating is keyed by the payment's id. Capturing and cancelling are not: the intent's own state
//! lets each happen once, and a key would replay a stored 500 for a day. After any doubt the intent
//! is looked up; one that was created by a call whose answer is a stored 500 is found by its metadata.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context as _;
use common::timestamp::Timestamp;
use futures::future::BoxFuture;
use futures::{Stream, TryStreamExt};
use secrecy::{ExposeSecret, SecretString};
use stripe::{Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError, StripeRequest};
use stripe_core::payment_intent::{
    CancelPaymentIntent, CapturePaymentIntent, CreatePaymentIntent, CreatePaymentIntentAutomaticPaymentMethods,
    CreatePaymentIntentAutomaticPaymentMethodsAllowRedirects, ListPaymentIntent, RetrievePaymentIntent,
};
use stripe_core::refund::{CreateRefund, ListRefund};
use stripe_shared::{
    ApiErrors, ApiErrorsCode, ApiErrorsType, PaymentIntent, PaymentIntentCaptureMethod, PaymentIntentStatus,
};
use stripe_types::{Currency, RangeBoundsTs, RangeQueryTs};

use super::{Answer, Authorization, Intent, Made, Provider, ProviderError, Standing};

/// The metadata entry that names our payment.
const PAYMENT: &str = "payment_id";

/// How far their clock and ours may be apart.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);

/// How many recent intents a search reads at most.
const SEARCH: usize = 1_000;

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

    async fn create(&self, request: &Authorization) -> Result<Intent, ProviderError> {
        let currency: Currency =
            request.amount.currency.lower().parse().map_err(|_| ProviderError::Refused("currency".to_owned()))?;
        let key = IdempotencyKey::new(request.payment.to_string())
            .map_err(|error| ProviderError::Unknown(error.to_string()))?;
        let metadata = HashMap::from([
            (PAYMENT.to_owned(), request.payment.to_string()),
            ("order_id".to_owned(), request.order.to_string()),
        ]);
        // Cards alone: what sends the buyer to another site could come back after the hold.
        let methods = CreatePaymentIntentAutomaticPaymentMethods {
            allow_redirects: Some(CreatePaymentIntentAutomaticPaymentMethodsAllowRedirects::Never),
            enabled: true,
        };
        let create = CreatePaymentIntent::new(request.amount.amount, currency)
            .payment_method(request.method.as_str())
            .automatic_payment_methods(methods)
            .capture_method(PaymentIntentCaptureMethod::Manual)
            .confirm(true)
            .metadata(metadata)
            .customize()
            .request_strategy(RequestStrategy::Idempotent(key));
        match create.send(&self.0).await {
            Ok(intent) => Ok(read(intent)),
            Err(StripeError::Stripe(error, status)) => match refusal(*error, status) {
                Ok(intent) => Ok(intent),
                // A server error may have come after the work, and would be replayed for a day.
                Err(ProviderError::Unknown(why)) if status >= 500 => {
                    self.search(request).await?.ok_or(ProviderError::Unknown(why))
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(unknown(&error)),
        }
    }

    /// The intent of this payment among the recent ones. Finding none proves nothing.
    async fn search(&self, request: &Authorization) -> Result<Option<Intent>, ProviderError> {
        let wanted = request.payment.to_string();
        let mut found = std::pin::pin!(self.created_since(request.since.minus(CLOCKS_DIFFER)));
        for _ in 0..SEARCH {
            match found.try_next().await {
                Ok(Some(intent)) if intent.metadata.get(PAYMENT) == Some(&wanted) => return Ok(Some(read(intent))),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(error) => return Err(unknown(&error)),
            }
        }
        Ok(None)
    }

    /// Every intent that was created at or after this time, page by page.
    fn created_since(&self, since: Timestamp) -> impl Stream<Item = Result<PaymentIntent, StripeError>> + Unpin {
        let bounds = RangeBoundsTs { gte: Some(since.as_seconds()), ..RangeBoundsTs::default() };
        let list = ListPaymentIntent::new().created(RangeQueryTs::Bounds(bounds)).limit(100);
        list.paginate().stream(&self.0)
    }

    async fn list_since(&self, since: Timestamp) -> Result<Vec<Made>, ProviderError> {
        let mut found = self.created_since(since.minus(CLOCKS_DIFFER));
        let mut made = Vec::new();
        while let Some(intent) = found.try_next().await.map_err(|error| unknown(&error))? {
            let Some(payment) = intent.metadata.get(PAYMENT).and_then(|id| id.parse().ok()) else { continue };
            let (amount, currency) = (intent.amount, intent.currency.to_string());
            let Intent { reference, standing, .. } = read(intent);
            made.push(Made { reference, payment, standing, amount, currency });
        }
        Ok(made)
    }

    async fn refunded(&self, reference: &str) -> Result<i64, ProviderError> {
        let mut refunds = ListRefund::new().payment_intent(reference).limit(100).paginate().stream(&self.0);
        let mut sum = 0;
        while let Some(refund) = refunds.try_next().await.map_err(|error| unknown(&error))? {
            if !matches!(refund.status.as_deref(), Some("failed" | "canceled")) {
                sum += refund.amount;
            }
        }
        Ok(sum)
    }

    async fn refund(&self, reference: &str) -> Result<(), ProviderError> {
        let key = IdempotencyKey::new(format!("stray:{reference}"))
            .map_err(|error| ProviderError::Unknown(error.to_string()))?;
        let refund = CreateRefund::new().payment_intent(reference).customize();
        let refund = refund.request_strategy(RequestStrategy::Idempotent(key)).send(&self.0).await;
        refund.map(|_| ()).map_err(|error| unknown(&error))
    }

    /// After a call that failed: where the intent stands decides.
    async fn settled(
        &self,
        reference: &str,
        outcome: Result<PaymentIntent, StripeError>,
    ) -> Result<Intent, ProviderError> {
        match outcome {
            Ok(intent) => Ok(read(intent)),
            Err(_) => self.look_up(reference).await,
        }
    }
}

impl Provider for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn authorize<'a>(&'a self, request: &'a Authorization) -> Answer<'a> {
        Box::pin(self.create(request))
    }

    fn capture<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        Box::pin(async move {
            let outcome = CapturePaymentIntent::new(reference.to_owned()).send(&self.0).await;
            self.settled(reference, outcome).await
        })
    }

    fn cancel<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        Box::pin(async move {
            let outcome = CancelPaymentIntent::new(reference.to_owned()).send(&self.0).await;
            self.settled(reference, outcome).await
        })
    }

    fn look_up<'a>(&'a self, reference: &'a str) -> Answer<'a> {
        Box::pin(async move {
            let intent = RetrievePaymentIntent::new(reference.to_owned()).send(&self.0).await;
            intent.map(read).map_err(|error| unknown(&error))
        })
    }

    fn made_since(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Made>, ProviderError>> {
        Box::pin(self.list_since(since))
    }

    fn given_back<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<i64, ProviderError>> {
        Box::pin(self.refunded(reference))
    }

    fn give_back<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.refund(reference))
    }
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
        // Processing, not yet confirmed, or a status that is newer than this code.
        _ => Standing::Pending,
    };
    Intent { reference: intent.id.to_string(), standing, client_secret: intent.client_secret }
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
