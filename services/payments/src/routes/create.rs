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
use platform::http::extract::Creation;
use platform::http::versions::etag;
use platform::lifecycle::Backoff;
use platform::store::idempotency::InsertOutcome;
use platform::telemetry;

use crate::domain::declined::explanation;
use crate::domain::method;
use crate::domain::payment::{Payment, Start, Status};
use crate::domain::reconcile::Call;
use crate::flows::authorize_payment::{Asked, authorize_payment, decline_unsent};
use crate::flows::look_up_payment::present;
use crate::flows::reconcile_payment::reconcile_payment;
use crate::flows::record_answer::{Recorded, away, record_answer};
use crate::providers::{Authorization, stripe};
use crate::state::AppState;
use crate::store;
use crate::view;

/// How long an order is awaited that is not known, or not confirmed, yet.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the replica is looked at meanwhile.
const POLL: Duration = Duration::from_millis(25);

/// Pay for an order.
#[utoipa::path(post, path = "/api/payments", tag = "payments", request_body = NewPayment,
    security(("session" = []), ("sessionOverHttp" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a repeat of this request harmless.")),
    responses((status = 201, body = PaymentView), (status = 202, body = PaymentView)))]
pub(super) async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    Creation { body, key }: Creation<NewPayment>,
) -> Result<Response, Error> {
    let request = state.payments.idempotent(user.id, key.as_ref());
    if let Some(earlier) = request.earlier().await? {
        return repeated(&state, &earlier).await;
    }
    let body = body?;
    let method = method::parse(&body.payment_method).ok_or_else(unknown_method)?;
    let order = payable_order(&state, body.order_id, user.id).await?;
    let attempt = store::attempts_of(&state.payments, order.id).await? + 1;
    if attempt > state.config.payment_attempts.get() {
        let wait = order.expires_at.since(state.clock.now());
        let detail = "No other payment method can be tried for this order. Once the hold ends, order anew.";
        return Err(Error::LimitReached(Rejection::new("rate-limited", detail).retry_after(wait)));
    }
    while let Some(payment) = store::barring(&state.payments, order.id).await? {
        // Perhaps this very request came twice at once, and the other one was faster.
        if let Some(earlier) = request.earlier().await? {
            return repeated(&state, &earlier).await;
        }
        give_up_unfinished(&state, &payment).await?;
    }
    let (payment, change) = new_payment(&state, &order, method, attempt)?;
    // The answer for repeats is stored once the provider has answered.
    match request.insert(payment, change, None::<&PaymentView>).await? {
        InsertOutcome::Created(payment) => authorize(&state, payment).await,
        InsertOutcome::Replayed(earlier) => repeated(&state, &earlier).await,
        InsertOutcome::Refused(error)
            if [store::ONE_PER_ORDER.name, store::ATTEMPTS].iter().any(|index| error.is_duplicate_of(index)) =>
        {
            Err(being_paid())
        }
        InsertOutcome::Refused(error) => Err(error.into()),
    }
}

/// A payment with the request that will be sent, and sent again, for it.
fn new_payment(
    state: &AppState,
    order: &OrderState,
    method: String,
    attempt: u32,
) -> Result<(Payment, PaymentChange), Error> {
    let id = PaymentId::new();
    let authorization = Authorization { payment: id, order: order.id, amount: order.price.clone(), method };
    let request = stripe::prepare(&authorization).map_err(|error| {
        tracing::error!(error = %error, "the provider can't be asked for this amount");
        Error::Declined(Rejection::new("card-declined", explanation("currency_not_supported")))
    })?;
    let start = Start {
        order_id: order.id,
        buyer_id: order.buyer_id,
        amount: order.price.clone(),
        provider: stripe::NAME,
        request,
    };
    let (payment, change) = Payment::start(id, start, state.clock.now());
    Ok((Payment { attempt, ..payment }, change))
}

/// The order, once it is confirmed; or why it can't be paid.
async fn payable_order(state: &AppState, id: OrderId, buyer: UserId) -> Result<OrderState, Error> {
    let began = tokio::time::Instant::now();
    loop {
        let order = state.orders.get(id).await?.map(|order| order.state);
        let waited_enough = began.elapsed() >= PATIENCE;
        match order {
            Some(order) if order.buyer_id != buyer => return Err(Error::NotFound),
            Some(order) if order.status == OrderStatus::Created => {
                in_time(state, &order)?;
                if waited_enough {
                    let refusal =
                        Rejection::new("order-not-confirmed", "The seller's side has yet to confirm. Try again.");
                    return Err(Error::NotReady(refusal.retry_after(PATIENCE)));
                }
            }
            Some(order) => {
                still_open(&order)?;
                in_time(state, &order)?;
                return Ok(order);
            }
            None if waited_enough => return Err(Error::NotFound),
            None => {}
        }
        tokio::time::sleep(POLL).await;
    }
}

fn still_open(order: &OrderState) -> Result<(), Error> {
    match (order.status, order.cancel_reason) {
        (OrderStatus::Created | OrderStatus::AwaitingPayment, _) => Ok(()),
        (OrderStatus::Authorized | OrderStatus::Completed, _) => {
            Err(Error::conflict("order-paid", "This order is paid already."))
        }
        (OrderStatus::Cancelled, Some(CancelReason::Expired)) => Err(expired()),
        (OrderStatus::Cancelled, _) => Err(Error::conflict("order-closed", "This order is closed. Order anew.")),
    }
}

/// A payment isn't started in the hold's last seconds: its answer would come too late.
fn in_time(state: &AppState, order: &OrderState) -> Result<(), Error> {
    let hold = order.expires_at.since(order.created_at);
    let least = Duration::from_secs(5).min(hold / 10);
    let left = order.expires_at.since(state.clock.now());
    if left < least || left.is_zero() { Err(expired()) } else { Ok(()) }
}

fn expired() -> Error {
    Error::Gone(Rejection::new(
        "hold-expired",
        "The hold has ended and nothing was charged. Order anew if it is for sale.",
    ))
}

fn unknown_method() -> Error {
    Error::field("paymentMethod", "is not known to the card network")
}

fn being_paid() -> Error {
    Error::conflict("order-being-paid", "A payment of this order is under way or done.")
}

/// A 3-D Secure step that the buyer left is cancelled, so that another card can be taken.
async fn give_up_unfinished(state: &AppState, payment: &Versioned<Payment>) -> Result<(), Error> {
    let (Status::RequiresAction, Some(reference)) = (&payment.status, &payment.provider_ref) else {
        return Err(being_paid());
    };
    let answer = state.provider.cancel(reference).await.map_err(away)?;
    match record_answer(state, payment, Some(Call::Supersede), answer).await? {
        Recorded::Changed(next) if next.status_name() == PaymentStatus::Declined => Ok(()),
        // The provider says that it was authorised or charged meanwhile.
        Recorded::Changed(next) => {
            reconcile_quietly(state, next.id).await;
            Err(being_paid())
        }
        Recorded::Overtaken => Ok(()),
        Recorded::Nothing => Err(Error::Unavailable(None)),
    }
}

/// How often the provider is asked within the request before its answer is left to the reconciler.
const ATTEMPTS: u32 = 3;

/// Asks the provider, and tells the buyer how it went.
async fn authorize(state: &AppState, payment: Versioned<Payment>) -> Result<Response, Error> {
    if decline_unsent(state, &payment).await?.is_some() {
        return Err(closed_meanwhile(state, payment.order_id).await?);
    }
    let mut backoff = Backoff::default();
    let (recorded, secret) = loop {
        match authorize_payment(state, &payment).await {
            Ok(Asked::Answered(recorded, secret)) => break (recorded, secret),
            Ok(Asked::UnknownMethod) => return Err(unknown_method()),
            Err(Error::Unavailable(_)) if backoff.failures() + 1 < ATTEMPTS => {
                tokio::time::sleep(backoff.next_delay()).await;
            }
            Err(error) => return Err(error),
        }
    };
    let paid = match recorded {
        Recorded::Changed(payment) => *payment,
        // The reconciler was faster, or the provider is still busy.
        Recorded::Overtaken | Recorded::Nothing => present(state, payment.id).await?,
    };
    let after = reconcile_quietly(state, paid.id).await;
    if after.is_some_and(|payment| payment.status_name() == PaymentStatus::Voided) {
        return Err(closed_meanwhile(state, paid.order_id).await?);
    }
    answer(&view::payment(&paid), secret)
}

/// Why a payment was given back at once: the hold ended, or the buyer let it go in another tab.
async fn closed_meanwhile(state: &AppState, order: OrderId) -> Result<Error, Error> {
    let order = state.orders.get(order).await?;
    Ok(order.and_then(|order| still_open(&order).err()).unwrap_or_else(expired))
}

/// What the order asks for; an event or the reconciler does it if it fails here.
async fn reconcile_quietly(state: &AppState, id: PaymentId) -> Option<Versioned<Payment>> {
    match reconcile_payment(state, id).await {
        Ok(payment) => payment,
        Err(error) => {
            tracing::warn!(payment.id = %id, error = telemetry::causes(&error), "left to the reconciler");
            None
        }
    }
}

/// Answers a request that was made before.
async fn repeated(state: &AppState, view: &PaymentView) -> Result<Response, Error> {
    // The secret is not stored: where it was part of the answer, the provider tells it again.
    let secret = match (&view.provider_ref, view.status) {
        (Some(reference), PaymentStatus::RequiresAction) => {
            state.provider.look_up(reference).await.map_err(away)?.client_secret
        }
        _ => None,
    };
    answer(view, secret)
}

fn answer(payment: &PaymentView, client_secret: Option<String>) -> Result<Response, Error> {
    let location = [(header::LOCATION, ReadPayment { id: payment.id }.path())];
    let respond =
        |status: StatusCode, view: PaymentView| Ok((status, etag(view.version), location, Json(view)).into_response());
    match payment.status {
        PaymentStatus::Authorized | PaymentStatus::Captured => respond(StatusCode::CREATED, payment.clone()),
        PaymentStatus::RequiresAction => {
            respond(StatusCode::ACCEPTED, PaymentView { client_secret, ..payment.clone() })
        }
        PaymentStatus::Declined => {
            let detail = explanation(payment.decline_reason.as_deref().unwrap_or_default());
            Err(Error::Declined(Rejection::new("card-declined", detail)))
        }
        PaymentStatus::Voided | PaymentStatus::Failed => Err(expired()),
        PaymentStatus::Authorizing => {
            let refusal = Rejection::new("payment-pending", "The card network has yet to answer. Look again soon.");
            Err(Error::NotReady(refusal.retry_after(PATIENCE)))
        }
    }
}
