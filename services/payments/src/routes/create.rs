//! POST /api/payments: the buyer pays for an order.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::aggregate::Versioned;
use common::api::Endpoint as _;
use common::api::payments::{NewPayment, Payment as PaymentView, ReadPayment};
use common::error::{Error, Rejection};
use common::events::order::{CancelReason, OrderState, OrderStatus};
use common::events::payment::{PaymentChange, PaymentStatus};
use common::id::{OrderId, PaymentId, UserId};
use common::identity::CurrentUser;
use http::{StatusCode, header};
use platform::http::extract::CreateRequest;
use platform::http::versions::etag;
use platform::lifecycle::Backoff;
use platform::store::idempotency::InsertOutcome;
use platform::telemetry;

use crate::domain::decline_reason::explanation;
use crate::domain::payment::{Payment, Status};
use crate::domain::reconcile::ProviderAction;
use crate::flows::authorize_payment::{AuthorizeOutcome, authorize_payment, decline_unsent};
use crate::flows::reconcile_payment::reconcile_payment;
use crate::flows::record_intent::{RecordOutcome, record_intent};
use crate::flows::sync_payment::reload;
use crate::providers::stripe;
use crate::state::AppState;
use crate::store;
use crate::view;

/// How long to wait for an order that is not replicated or not confirmed yet.
const ORDER_TIMEOUT: Duration = Duration::from_secs(2);
/// How often the replica is read meanwhile.
const POLL_INTERVAL: Duration = Duration::from_millis(25);
/// Maximum number of calls within a request; afterwards the reconciler retries.
const MAX_PROVIDER_CALLS: u32 = 3;

/// Pay for an order.
#[utoipa::path(post, path = "/api/payments", tag = "payments", request_body = NewPayment,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "Makes repeating this request harmless.")),
    responses((status = 201, body = PaymentView), (status = 202, body = PaymentView)))]
pub(super) async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    CreateRequest { body, key }: CreateRequest<NewPayment>,
) -> Result<Response, Error> {
    let request = state.payments.idempotent(user.id, key.as_ref());
    if let Some(earlier) = request.find_replay().await? {
        return replay(&state, &earlier).await;
    }
    let body = body?;
    let method = body.payment_method.to_string();
    let order = payable_order(&state, body.order_id, user.id).await?;
    let attempt = store::attempt_count(&state.payments, order.id).await? + 1;
    if attempt > state.config.payment_attempts.get() {
        let wait = order.expires_at.since(state.clock.now());
        let detail = "No other payment method can be tried for this order. Once the hold ends, order anew.";
        return Err(Error::LimitReached(Rejection::new("rate-limited", detail).retry_after(wait)));
    }
    while let Some(payment) = store::find_blocking(&state.payments, order.id).await? {
        // The other payment may come from a concurrent repeat of this request.
        if let Some(earlier) = request.find_replay().await? {
            return replay(&state, &earlier).await;
        }
        supersede(&state, &payment).await?;
    }
    let (payment, change) = new_payment(&state, &order, &method, attempt)?;
    // The response for replays is stored after the provider's response.
    match request.insert(payment, change, None::<&PaymentView>).await? {
        InsertOutcome::Created(payment) => authorize(&state, payment).await,
        InsertOutcome::Replayed(earlier) => replay(&state, &earlier).await,
        InsertOutcome::Refused(error)
            if [store::ONE_PER_ORDER.name, store::ATTEMPT_INDEX].iter().any(|index| error.is_duplicate_of(index)) =>
        {
            Err(payment_in_progress())
        }
        InsertOutcome::Refused(error) => Err(error.into()),
    }
}

/// Creates a payment with the request that will be sent to the provider.
fn new_payment(
    state: &AppState,
    order: &OrderState,
    method: &str,
    attempt: u32,
) -> Result<(Payment, PaymentChange), Error> {
    let id = PaymentId::new();
    let request = stripe::prepare(id, order, method).map_err(|error| {
        tracing::error!(error = %error, "the provider can't authorise this amount");
        Error::Declined(Rejection::new("card-declined", explanation("currency_not_supported")))
    })?;
    Ok(Payment::start(id, order, attempt, stripe::NAME, request, state.clock.now()))
}

/// Waits until the order is confirmed; fails if it can't be paid.
async fn payable_order(state: &AppState, id: OrderId, buyer: UserId) -> Result<OrderState, Error> {
    let started = tokio::time::Instant::now();
    loop {
        let order = state.orders.get(id).await?.map(|order| order.state);
        let timed_out = started.elapsed() >= ORDER_TIMEOUT;
        match order {
            Some(order) if order.buyer_id != buyer => return Err(Error::NotFound),
            Some(order) if order.status == OrderStatus::Created => {
                ensure_hold_lasts(state, &order)?;
                if timed_out {
                    let rejection =
                        Rejection::new("order-not-confirmed", "The seller's side has yet to confirm. Try again.");
                    return Err(Error::NotReady(rejection.retry_after(ORDER_TIMEOUT)));
                }
            }
            Some(order) => {
                ensure_open(&order)?;
                ensure_hold_lasts(state, &order)?;
                return Ok(order);
            }
            None if timed_out => return Err(Error::NotFound),
            None => {}
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn ensure_open(order: &OrderState) -> Result<(), Error> {
    match (order.status, order.cancel_reason) {
        (OrderStatus::Created | OrderStatus::AwaitingPayment, _) => Ok(()),
        (OrderStatus::Authorized | OrderStatus::Completed, _) => {
            Err(Error::conflict("order-paid", "This order is paid already."))
        }
        (OrderStatus::Cancelled, Some(CancelReason::Expired)) => Err(hold_expired()),
        (OrderStatus::Cancelled, _) => Err(Error::conflict("order-closed", "This order is closed. Order anew.")),
    }
}

/// Fails in the hold's last seconds, because the provider's response would come too late.
fn ensure_hold_lasts(state: &AppState, order: &OrderState) -> Result<(), Error> {
    let hold = order.expires_at.since(order.created_at);
    let min_left = Duration::from_secs(5).min(hold / 10);
    let left = order.expires_at.since(state.clock.now());
    if left < min_left || left.is_zero() { Err(hold_expired()) } else { Ok(()) }
}

fn hold_expired() -> Error {
    let detail = "The hold has ended and nothing was charged. Order anew if it is for sale.";
    Error::Gone(Rejection::new("hold-expired", detail))
}

fn unknown_method() -> Error {
    Error::field("paymentMethod", "is not known to the card network")
}

fn payment_in_progress() -> Error {
    Error::conflict("order-being-paid", "A payment of this order is under way or done.")
}

/// Cancels a payment that waits for 3-D Secure, so that the buyer can pay with another card.
async fn supersede(state: &AppState, payment: &Versioned<Payment>) -> Result<(), Error> {
    let (Status::RequiresAction, Some(reference)) = (&payment.status, &payment.provider_ref) else {
        return Err(payment_in_progress());
    };
    let intent = state.provider.cancel(reference).await?;
    match record_intent(state, payment, Some(ProviderAction::Supersede), intent).await? {
        RecordOutcome::Updated(next) if next.status_name() == PaymentStatus::Declined => Ok(()),
        // The payment was authorised or captured in the meantime.
        RecordOutcome::Updated(next) => {
            try_reconcile(state, next.id).await;
            Err(payment_in_progress())
        }
        RecordOutcome::Overtaken => Ok(()),
        RecordOutcome::Unchanged => Err(Error::Unavailable(None)),
    }
}

/// Authorises a payment that was just stored, and builds the response.
async fn authorize(state: &AppState, payment: Versioned<Payment>) -> Result<Response, Error> {
    if decline_unsent(state, &payment).await?.is_some() {
        return Err(order_closed(state, payment.order_id).await?);
    }
    let mut backoff = Backoff::default();
    let (outcome, client_secret) = loop {
        match authorize_payment(state, &payment).await {
            Ok(AuthorizeOutcome::Recorded(outcome, client_secret)) => break (outcome, client_secret),
            Ok(AuthorizeOutcome::UnknownMethod) => return Err(unknown_method()),
            Err(Error::Unavailable(_)) if backoff.failures() + 1 < MAX_PROVIDER_CALLS => {
                tokio::time::sleep(backoff.next_delay()).await;
            }
            Err(error) => return Err(error),
        }
    };
    let payment = match outcome {
        RecordOutcome::Updated(payment) => *payment,
        // The reconciler was faster, or the provider is still processing the payment.
        RecordOutcome::Overtaken | RecordOutcome::Unchanged => reload(state, payment.id).await?,
    };
    let reconciled = try_reconcile(state, payment.id).await;
    if reconciled.is_some_and(|payment| payment.status_name() == PaymentStatus::Voided) {
        return Err(order_closed(state, payment.order_id).await?);
    }
    respond(&view::payment(&payment), client_secret)
}

/// The error for an order that was closed during the request: its hold ended, or the buyer cancelled it in another tab.
async fn order_closed(state: &AppState, order: OrderId) -> Result<Error, Error> {
    let order = state.orders.get(order).await?;
    Ok(order.and_then(|order| ensure_open(&order).err()).unwrap_or_else(hold_expired))
}

/// Reconciles the payment with its order. After a failure, an event or the reconciler does it.
async fn try_reconcile(state: &AppState, id: PaymentId) -> Option<Versioned<Payment>> {
    reconcile_payment(state, id).await.unwrap_or_else(|error| {
        tracing::warn!(payment.id = %id, error = telemetry::causes(&error), "a payment is left to the reconciler");
        None
    })
}

/// Replays the response of an earlier request with the same key.
async fn replay(state: &AppState, payment: &PaymentView) -> Result<Response, Error> {
    // The client secret is not stored, so read it from the provider again.
    let client_secret = match (&payment.provider_ref, payment.status) {
        (Some(reference), PaymentStatus::RequiresAction) => state.provider.look_up(reference).await?.client_secret,
        _ => None,
    };
    respond(payment, client_secret)
}

fn respond(payment: &PaymentView, client_secret: Option<String>) -> Result<Response, Error> {
    let (status, client_secret) = match payment.status {
        PaymentStatus::Authorized | PaymentStatus::Captured => (StatusCode::CREATED, None),
        PaymentStatus::RequiresAction => (StatusCode::ACCEPTED, client_secret),
        PaymentStatus::Declined => {
            let detail = explanation(payment.decline_reason.as_deref().unwrap_or_default());
            return Err(Error::Declined(Rejection::new("card-declined", detail)));
        }
        PaymentStatus::Voided | PaymentStatus::Failed => return Err(hold_expired()),
        PaymentStatus::Authorizing => {
            let pending = Rejection::new("payment-pending", "The card network has yet to answer. Look again soon.");
            return Err(Error::NotReady(pending.retry_after(ORDER_TIMEOUT)));
        }
    };
    let location = [(header::LOCATION, ReadPayment { id: payment.id }.path())];
    let view = PaymentView { client_secret, ..payment.clone() };
    Ok((status, etag(view.version), location, Json(view)).into_response())
}
