//! POST /api/payments: the buyer pays for an order.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::aggregate::Versioned;
use common::api::Endpoint as _;
use common::api::payments::{NewPayment, Payment as PaymentView, ReadPayment};
use common::error::{Error, Rejection, seconds_param};
use common::events::order::{CancelReason, OrderState, OrderStatus};
use common::events::payment::PaymentStatus;
use common::id::{OrderId, PaymentId, UserId};
use common::identity::CurrentUser;
use common::problem::Params;
use http::{StatusCode, header};
use platform::http::extract::CreateRequest;
use platform::http::versions::etag;
use platform::reconcile::Current;
use platform::store::claims::{self, IdempotencyKey};
use platform::store::error::StoreError;
use platform::telemetry;

use crate::domain::decline_reason::{explanation, shown_reason};
use crate::domain::payment::{Payment, Status};
use crate::domain::reconcile::ProviderAction;
use crate::flows::authorize_payment::{AuthorizeOutcome, authorize_unsent};
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

/// Pay for an order.
#[utoipa::path(post, path = "/api/payments", tag = "payments", request_body = NewPayment,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255,
        description = "Makes it safe to retry this request.")),
    responses((status = 201, body = PaymentView), (status = 202, body = PaymentView)))]
pub(super) async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    CreateRequest { body, key }: CreateRequest<NewPayment>,
) -> Result<Response, Error> {
    if let Some(response) = find_replay(&state, user.id, key.as_ref()).await? {
        return Ok(response);
    }
    let body = body?;
    let method = body.payment_method.to_string();
    let order = payable_order(&state, body.order_id, user.id).await?;
    let claim = state.claims.claim(user.id, key.as_ref(), PaymentId::new(), (), state.clock.now());
    let id = claim.await?.entity_id;
    // The reads only choose the number of the attempt: the unique indexes decide whether the payment is inserted.
    let attempt = loop {
        let latest = store::latest_attempt(&state.payments, order.id).await?;
        // A concurrent repeat of this request may have inserted it.
        if let Some(payment) = latest.as_ref().filter(|payment| payment.id == id) {
            return replay(&state, payment).await;
        }
        let attempt = latest.as_ref().map_or(0, |payment| payment.attempt) + 1;
        if attempt > state.config.payment_attempts.get() {
            let wait = order.expires_at.since(state.clock.now());
            let detail = "You have tried too many payment methods for this order. When the hold ends, you can place a new order.";
            let params = Params::default().with("limit", "payments").with("retryAfter", seconds_param(wait));
            return Err(Error::LimitReached(
                Rejection::new("rate-limited", detail).retry_after(wait).with_params(params),
            ));
        }
        let Some(payment) = latest.filter(|payment| payment.status_name() != PaymentStatus::Declined) else {
            break attempt;
        };
        supersede(&state, &payment).await?;
    };
    let prepared = stripe::prepare(id, &order, &method);
    let (payment, change) = Payment::start(id, &order, attempt, stripe::NAME, prepared, state.clock.now());
    match state.payments.insert(payment, change).await {
        Ok(payment) => authorize(&state, payment).await,
        Err(error @ StoreError::Duplicate(_)) => {
            // A repeat violates all unique indexes, and MongoDB reports any of them.
            if let Some(earlier) = state.payments.get(id).await? {
                return replay(&state, &earlier).await;
            }
            let lost =
                [store::ONE_PER_ORDER.name, store::ATTEMPT_INDEX].iter().any(|index| error.is_duplicate_of(index));
            Err(if lost { payment_in_progress() } else { error.into() })
        }
        Err(error) => Err(error.into()),
    }
}

/// The response to an earlier request with the same key. If that request failed without an effect, its claim (the
/// record of the key) is released, and this request is a new one.
async fn find_replay(state: &AppState, user: UserId, key: Option<&IdempotencyKey>) -> Result<Option<Response>, Error> {
    let Some(claim) = state.claims.find(user, key).await? else { return Ok(None) };
    let Some(payment) = state.payments.get(claim.entity_id).await? else { return Ok(None) };
    if payment.first_response.is_none() && !payment.awaits_response() {
        state.claims.release(&claim).await?;
        return Ok(None);
    }
    claim.ensure_same_body(key)?;
    replay(state, &payment).await.map(Some)
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
                    let rejection = Rejection::new(
                        "order-not-confirmed",
                        "The order has not been confirmed yet. Try again in a moment.",
                    );
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
            Err(Error::conflict("order-paid", "This order is already paid."))
        }
        (OrderStatus::Cancelled, Some(CancelReason::Expired)) => Err(hold_expired()),
        (OrderStatus::Cancelled, _) => {
            Err(Error::conflict("order-closed", "This order is closed. Place a new order to buy the ticket."))
        }
    }
}

/// Fails in the hold's last five seconds, or its last tenth if that is shorter, because the provider's response would
/// come too late.
fn ensure_hold_lasts(state: &AppState, order: &OrderState) -> Result<(), Error> {
    let hold = order.expires_at.since(order.created_at);
    let min_left = Duration::from_secs(5).min(hold / 10);
    let left = order.expires_at.since(state.clock.now());
    if left < min_left || left.is_zero() { Err(hold_expired()) } else { Ok(()) }
}

fn hold_expired() -> Error {
    let detail = "Your hold has ended. You were not charged. If the ticket is still for sale, place a new order.";
    Error::Gone(Rejection::new("hold-expired", detail))
}

fn unknown_method() -> Error {
    Error::field("paymentMethod", "is not known to the card network")
}

fn payment_in_progress() -> Error {
    Error::conflict("order-being-paid", "A payment for this order is already in progress or complete.")
}

/// Cancels a payment that waits for 3-D Secure, so that the buyer can pay with another card.
async fn supersede(state: &AppState, payment: &Versioned<Payment>) -> Result<(), Error> {
    let (Status::RequiresAction, Some(reference)) = (&payment.status, &payment.provider_ref) else {
        return Err(payment_in_progress());
    };
    let intent = state.provider.cancel(reference).await?;
    match record_intent(state, payment, Some(ProviderAction::Supersede), intent).await? {
        RecordOutcome::Updated(next) if next.status_name() == PaymentStatus::Declined => Ok(()),
        // The payment was authorised or captured in the meantime, so it may win the order now.
        RecordOutcome::Updated(next) => {
            try_reconcile(state, *next).await;
            Err(payment_in_progress())
        }
        // A concurrent write recorded another status. The caller looks for a blocking payment again.
        RecordOutcome::Overtaken => Ok(()),
        RecordOutcome::Unchanged => Err(Error::Unavailable(None)),
    }
}

/// Authorises a payment that was just stored, and builds the response.
async fn authorize(state: &AppState, payment: Versioned<Payment>) -> Result<Response, Error> {
    let (outcome, client_secret) = match authorize_unsent(state, &payment).await? {
        AuthorizeOutcome::NotSent(_) => return Err(order_closed(state, payment.order_id).await?),
        AuthorizeOutcome::Recorded(outcome, client_secret) => (outcome, client_secret),
        AuthorizeOutcome::UnknownMethod => return Err(unknown_method()),
    };
    let payment = match outcome {
        RecordOutcome::Updated(payment) => *payment,
        // The reconciler was faster, or the provider is still processing the payment.
        RecordOutcome::Overtaken | RecordOutcome::Unchanged => reload(state, payment.id).await?,
    };
    let reconciled = try_reconcile(state, payment.clone()).await;
    if reconciled.is_some_and(|payment| payment.status_name() == PaymentStatus::Voided) {
        return Err(order_closed(state, payment.order_id).await?);
    }
    // Return the stored first response, like repeats of the request, even if another process has changed the payment
    // since.
    respond(&view::first_response(&payment).unwrap_or_else(|| view::payment(&payment)), client_secret)
}

/// The error for an order that was closed during the request: its hold ended, or the buyer cancelled it in another tab.
async fn order_closed(state: &AppState, order: OrderId) -> Result<Error, Error> {
    let order = state.orders.get(order).await?;
    Ok(order.and_then(|order| ensure_open(&order).err()).unwrap_or_else(hold_expired))
}

/// Reconciles the payment, as it was just written or read, with its order. After a failure, an event or the reconciler
/// does it.
async fn try_reconcile(state: &AppState, payment: Versioned<Payment>) -> Option<Versioned<Payment>> {
    let id = payment.id;
    reconcile_payment(state, id, Current::from(payment), None).await.unwrap_or_else(|error| {
        tracing::warn!(payment.id = %id, error = telemetry::causes(&error), "a payment is left to the reconciler");
        None
    })
}

/// Replays the response of the request that started the payment.
///
/// # Errors
/// `claims::in_flight` if the earlier request has no response yet, or failed while this one was processed.
async fn replay(state: &AppState, payment: &Versioned<Payment>) -> Result<Response, Error> {
    let payment = view::first_response(payment).ok_or_else(claims::in_flight)?;
    // The client secret is not stored, so read it from the provider again.
    let client_secret = match (&payment.provider_ref, payment.status) {
        (Some(reference), PaymentStatus::RequiresAction) => state.provider.look_up(reference).await?.client_secret,
        _ => None,
    };
    respond(&payment, client_secret)
}

fn respond(payment: &PaymentView, client_secret: Option<String>) -> Result<Response, Error> {
    let (status, client_secret) = match payment.status {
        PaymentStatus::Authorized | PaymentStatus::Captured => (StatusCode::CREATED, None),
        PaymentStatus::RequiresAction => (StatusCode::ACCEPTED, client_secret),
        PaymentStatus::Declined => {
            let reason = payment.decline_reason.as_deref().unwrap_or_default();
            let params = Params::default().with("reason", shown_reason(reason));
            return Err(Error::Declined(Rejection::new("card-declined", explanation(reason)).with_params(params)));
        }
        // The order was closed or the capture failed: nothing is charged, and only a new order can get the ticket.
        PaymentStatus::Voided | PaymentStatus::Failed => return Err(hold_expired()),
        // The provider's response is not known. The reconciler finds it out, and a repeated request returns it.
        PaymentStatus::Authorizing => {
            let pending = Rejection::new(
                "payment-pending",
                "The payment provider has not responded yet. Check again in a moment.",
            );
            return Err(Error::NotReady(pending.retry_after(ORDER_TIMEOUT)));
        }
    };
    let location = [(header::LOCATION, ReadPayment { id: payment.id }.path())];
    let view = PaymentView { client_secret, ..payment.clone() };
    Ok((status, etag(view.version), location, Json(view)).into_response())
}
