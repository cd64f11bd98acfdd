//! Stripe: payment intents with manual capture.
//!
//! # Why
//! Creating is keyed by the payment's id, and repeated byte for byte as it was stored, since Stripe refuses a key
//! with other parameters. Capturing and cancelling are not keyed: the intent's own state lets each happen once,
//! and a key would replay a stored 500 for a day. After any doubt the intent is looked up; one that was created
//! by a call whose answer is a stored 500 is found by its metadata.

use std::collections::HashMap;
use std::time::Duration;

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

use super::{Answer, Authorization, Made, Provider, ProviderError, Submission, Window};
use crate::domain::intent::{Charge, Intent, Standing};

/// The metadata entry that names our payment.
const PAYMENT: &str = "payment_id";

/// How far their clock and ours may be apart.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);

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

    async fn create(&self, submission: Submission<'_>) -> Result<Intent, ProviderError> {
        let key = key(&submission.payment.to_string())?;
        // The amount and the currency are placeholders, as all else: the stored request takes their place.
        let mut create = CreatePaymentIntent::new(0, Currency::USD).build();
        create.body = Some(submission.request.to_owned());
        let create = create.customize::<PaymentIntent>().request_strategy(RequestStrategy::Idempotent(key));
        match create.send(&self.0).await {
            Ok(intent) => Ok(read(intent)),
            Err(StripeError::Stripe(error, status)) => refusal(*error, status),
            Err(error) => Err(unknown(&error)),
        }
    }

    /// The intent of this payment among all that were created in this time, page by page. Of several that which
    /// may still move money.
    async fn search(&self, payment: PaymentId, made: Window) -> Result<Option<Intent>, ProviderError> {
        let wanted = payment.to_string();
        let mut listed = self.created(made.from.minus(CLOCKS_DIFFER), Some(made.to.plus(CLOCKS_DIFFER)));
        let mut found = None;
        while let Some(intent) = listed.try_next().await.map_err(|error| unknown(&error))? {
            if intent.metadata.get(PAYMENT) == Some(&wanted) {
                let intent = read(intent);
                if !matches!(intent.standing, Standing::Cancelled { .. }) {
                    return Ok(Some(intent));
                }
                found = Some(intent);
            }
        }
        Ok(found)
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

    async fn list_since(&self, since: Timestamp) -> Result<Vec<Made>, ProviderError> {
        let mut found = self.created(since.minus(CLOCKS_DIFFER), None);
        let mut made = Vec::new();
        while let Some(intent) = found.try_next().await.map_err(|error| unknown(&error))? {
            let Some(payment) = intent.metadata.get(PAYMENT).and_then(|id| id.parse().ok()) else { continue };
            let (amount, currency) = (intent.amount, intent.currency.to_string());
            let Intent { reference, standing, charge, .. } = read(intent);
            made.push(Made { reference, payment, standing, amount, currency, charge });
        }
        Ok(made)
    }

    async fn refund(&self, reference: &str, name: &str) -> Result<(), ProviderError> {
        // Without an amount: what is left of the charge.
        let refund = CreateRefund::new().payment_intent(reference).customize();
        let refund = refund.request_strategy(RequestStrategy::Idempotent(key(name)?)).send(&self.0).await;
        match refund {
            Ok(_) => Ok(()),
            Err(StripeError::Stripe(error, 400 | 402)) => Err(ProviderError::Refused(code(&error))),
            Err(StripeError::Stripe(error, 500)) => Err(ProviderError::Failed(code(&error))),
            Err(error) => Err(unknown(&error)),
        }
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

    fn prepare(&self, authorization: &Authorization) -> Result<String, ProviderError> {
        let Authorization { payment, order, amount, method } = authorization;
        let currency: Currency =
            amount.currency.lower().parse().map_err(|_| ProviderError::Refused("currency_not_supported".to_owned()))?;
        let metadata =
            HashMap::from([(PAYMENT.to_owned(), payment.to_string()), ("order_id".to_owned(), order.to_string())]);
        // Cards alone: what sends the buyer to another site could come back after the hold.
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

    fn authorize<'a>(&'a self, submission: Submission<'a>) -> Answer<'a> {
        Box::pin(self.create(submission))
    }

    fn find(&self, payment: PaymentId, made: Window) -> BoxFuture<'_, Result<Option<Intent>, ProviderError>> {
        Box::pin(self.search(payment, made))
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
            let intent = RetrievePaymentIntent::new(reference.to_owned()).expand(vec!["latest_charge".to_owned()]);
            let intent = intent.send(&self.0).await;
            intent.map(read).map_err(|error| unknown(&error))
        })
    }

    fn made_since(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Made>, ProviderError>> {
        Box::pin(self.list_since(since))
    }

    fn give_back<'a>(&'a self, reference: &'a str, key: &'a str) -> BoxFuture<'a, Result<(), ProviderError>> {
        Box::pin(self.refund(reference, key))
    }
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
