//! `/_fake`: the control API for tests and fault injection. Unauthenticated.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::base_url;
use crate::app::App;
use crate::error::ApiError;
use crate::faults::Faults;
use crate::flows::{authenticate, dispute};
use crate::idempotency::IdempotencyStore;
use crate::objects::{charge, event, intent, payment_method, refund};
use crate::store::{Context, Store};
use crate::webhook_endpoint::WebhookEndpoint;
use crate::webhooks;

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/state", get(state))
        .route("/faults", get(show_faults).put(set_faults).delete(clear_faults))
        .route("/webhook", put(set_webhook))
        .route("/reset", post(reset))
        .route("/payment_intents/{id}/authenticate", post(finish_challenge))
        .route("/payment_intents/{id}/dispute", post(dispute_charge))
        .route("/events/{id}/resend", post(resend))
}

/// A dump of the whole state, oldest first.
async fn state(State(app): State<App>) -> Json<Value> {
    let (deliveries, keys) = (app.deliveries.lock().clone(), app.keys.lock().count());
    let faults = app.faults.lock().clone();
    let store = app.store.lock();
    Json(json!({
        "paymentIntents": all(store.intents.rows(), intent::render),
        "charges": all(store.charges.rows(), |charge| charge::render(charge, &store.refunds)),
        "refunds": all(store.refunds.rows(), refund::render),
        "paymentMethods": all(store.methods.rows(), payment_method::render),
        "events": all(store.events.rows(), event::render),
        "deliveries": deliveries,
        "idempotencyKeys": keys,
        "faults": faults,
    }))
}

fn all<T>(rows: &[T], render: impl Fn(&T) -> Value) -> Vec<Value> {
    rows.iter().map(render).collect()
}

async fn show_faults(State(app): State<App>) -> Json<Faults> {
    Json(app.faults.lock().clone())
}

/// Replaces the whole fault configuration; omitted fields are disabled.
async fn set_faults(State(app): State<App>, Json(faults): Json<Faults>) -> Json<Faults> {
    *app.faults.lock() = faults.clone();
    Json(faults)
}

async fn clear_faults(app: State<App>) -> Json<Faults> {
    set_faults(app, Json(Faults::default())).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhook {
    url: Option<String>,
    secret: Option<String>,
}

/// Replaces the webhook endpoint; without a secret, the configured one signs.
async fn set_webhook(State(app): State<App>, Json(webhook): Json<Webhook>) -> Json<Value> {
    let secret = webhook.secret.as_ref().unwrap_or(&app.config.webhook_secret);
    *app.webhook.lock() = WebhookEndpoint::new(webhook.url.as_ref(), secret);
    Json(json!({ "url": webhook.url }))
}

/// Clears all objects, events, idempotency keys and faults.
async fn reset(State(app): State<App>) -> StatusCode {
    *app.store.lock() = Store::new(app.config.clock.clone());
    *app.keys.lock() = IdempotencyStore::default();
    *app.faults.lock() = Faults::default();
    app.deliveries.lock().clear();
    StatusCode::NO_CONTENT
}

/// The cardholder's result of a 3-D Secure challenge.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ChallengeResult {
    /// The cardholder is authenticated.
    Succeed,
    /// The cardholder is not authenticated.
    Fail,
}

/// The body of `POST /_fake/payment_intents/{id}/authenticate`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// How the challenge ends.
    pub outcome: ChallengeResult,
}

async fn finish_challenge(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(challenge): Json<Challenge>,
) -> Response {
    respond(finish(&app, &headers, &id, challenge.outcome))
}

/// Completes a challenge and delivers the events.
pub(crate) fn finish(app: &App, headers: &HeaderMap, id: &str, result: ChallengeResult) -> Result<Value, ApiError> {
    let passed = result == ChallengeResult::Succeed;
    app.update(|store| authenticate::authenticate(store, &context(app, headers), id, passed))
}

/// Opens a dispute of the intent's charge.
async fn dispute_charge(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    respond(app.update(|store| dispute::dispute(store, &context(&app, &headers), &id)))
}

/// The context of a change made through the control API rather than the Stripe API.
fn context(app: &App, headers: &HeaderMap) -> Context {
    Context { base_url: base_url(app, headers), ..Context::default() }
}

/// Delivers an event once more.
async fn resend(State(app): State<App>, Path(id): Path<String>) -> Response {
    let found = app.store.lock().events.get(&id).map(event::render);
    match found {
        Some(event) => {
            webhooks::send(&app, vec![event]);
            StatusCode::ACCEPTED.into_response()
        }
        None => error_response(ApiError::no_such("event", &id, "id")),
    }
}

fn respond(result: Result<Value, ApiError>) -> Response {
    result.map_or_else(error_response, |object| Json(object).into_response())
}

pub(crate) fn error_response(error: ApiError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(error.into_body("req_fake"))).into_response()
}
