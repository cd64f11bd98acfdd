//! `/_fake`: what tests and chaos runs see and set. No key is asked for.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::base_url;
use crate::app::App;
use crate::error::ApiError;
use crate::faults::Faults;
use crate::flows::{authenticate, dispute};
use crate::hook::Hook;
use crate::idempotency::Keys;
use crate::objects::{event, intent, payment_method, refund};
use crate::table::Row;
use crate::webhooks;
use crate::world::{Caller, World};

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

/// Everything there is, oldest first.
async fn state(State(app): State<App>) -> Json<Value> {
    let (deliveries, keys) = (app.deliveries().clone(), app.keys().count());
    let faults = app.faults().clone();
    let world = app.world();
    let charges = world.charges.rows().iter();
    let charges = charges.filter_map(|charge| world.charge_json(charge.id()));
    Json(json!({
        "paymentIntents": all(world.intents.rows(), intent::render),
        "charges": charges.collect::<Vec<_>>(),
        "refunds": all(world.refunds.rows(), refund::render),
        "paymentMethods": all(world.methods.rows(), payment_method::render),
        "events": all(world.events.rows(), event::render),
        "deliveries": deliveries,
        "idempotencyKeys": keys,
        "faults": faults,
    }))
}

fn all<T>(rows: &[T], render: impl Fn(&T) -> Value) -> Vec<Value> {
    rows.iter().map(render).collect()
}

async fn show_faults(State(app): State<App>) -> Json<Faults> {
    Json(app.faults().clone())
}

/// Replaces all switches: what is not named is off.
async fn set_faults(State(app): State<App>, Json(faults): Json<Faults>) -> Json<Faults> {
    *app.faults() = faults.clone();
    Json(faults)
}

async fn clear_faults(State(app): State<App>) -> Json<Faults> {
    *app.faults() = Faults::default();
    Json(Faults::default())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Webhook {
    url: Option<String>,
    secret: Option<String>,
}

/// Sends events elsewhere from now on; without a secret the configured one signs.
async fn set_webhook(State(app): State<App>, Json(webhook): Json<Webhook>) -> Json<Value> {
    let secret = webhook.secret.as_ref();
    let secret = secret.unwrap_or(&app.config().webhook_secret);
    *app.hook() = Hook::new(webhook.url.as_ref(), secret);
    Json(json!({ "url": webhook.url }))
}

/// Forgets all objects, events, keys and faults.
async fn reset(State(app): State<App>) -> StatusCode {
    *app.world() = World::new(app.config().clock.clone());
    *app.keys() = Keys::default();
    *app.faults() = Faults::default();
    app.deliveries().clear();
    StatusCode::NO_CONTENT
}

/// How a 3-D Secure challenge ends.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    Succeed,
    Fail,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Challenge {
    outcome: Outcome,
}

async fn finish_challenge(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(challenge): Json<Challenge>,
) -> Response {
    match finish(&app, &headers, &id, challenge.outcome) {
        Ok(intent) => Json(intent).into_response(),
        Err(error) => refused(error),
    }
}

/// Ends a challenge and sends the events.
pub(crate) fn finish(app: &App, headers: &HeaderMap, id: &str, outcome: Outcome) -> Result<Value, ApiError> {
    let passed = outcome == Outcome::Succeed;
    happen(app, headers, |world, caller| authenticate::authenticate(world, caller, id, passed))
}

/// The cardholder disputes what was charged.
async fn dispute_charge(State(app): State<App>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    match happen(&app, &headers, |world, caller| dispute::dispute(world, caller, &id)) {
        Ok(dispute) => Json(dispute).into_response(),
        Err(error) => refused(error),
    }
}

/// Something that no call of the API does; sends the events.
fn happen(
    app: &App,
    headers: &HeaderMap,
    what: impl FnOnce(&mut World, &Caller) -> Result<Value, ApiError>,
) -> Result<Value, ApiError> {
    let caller = Caller { base_url: base_url(app, headers), ..Caller::default() };
    let hooked = app.hook().is_set();
    let (result, unsent) = {
        let mut world = app.world();
        world.hooked = hooked;
        let result = what(&mut world, &caller);
        (result, std::mem::take(&mut world.unsent))
    };
    webhooks::send(app, unsent);
    result
}

/// Delivers an event once more.
async fn resend(State(app): State<App>, Path(id): Path<String>) -> Response {
    let found = app.world().events.get(&id).map(event::render);
    match found {
        Some(event) => {
            webhooks::send(&app, vec![event]);
            StatusCode::ACCEPTED.into_response()
        }
        None => refused(ApiError::no_such("event", &id, "id")),
    }
}

pub(crate) fn refused(error: ApiError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(error.answer("req_fake"))).into_response()
}
