//! The admin routes: liveness, readiness, metrics, resync and raise. They have a port of their own, not open to the
//! internet.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use common::api::admin::{RAISE, RESYNC, Raise, Raised, Resync, ResyncResult};
use common::error::Error;
use futures::future::BoxFuture;
use http::{StatusCode, header};

use super::extract::Body;
use super::shell::BODY_LIMIT;
use crate::context::Readiness;
use crate::outbox::OutboxStores;
use crate::telemetry;

/// Reconciles the service's entity with this id.
pub(crate) type ReconcileById = Arc<dyn Fn(String) -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// What the routes need. A service without a reconciler owns entities that depend on no replica.
#[derive(Clone)]
pub(crate) struct AdminState {
    pub(crate) readiness: Readiness,
    pub(crate) stores: OutboxStores,
    pub(crate) reconcile: Option<ReconcileById>,
}

/// The admin routes of a service.
pub(crate) fn router(state: AdminState) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route(RESYNC, post(resync))
        .route(RAISE, post(raise))
        .with_state(state)
}

/// Limits the time in which a request body must arrive. There is no request timeout here: a resync may take minutes.
pub(crate) async fn read_body(State(timeout): State<Duration>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(timeout, axum::body::to_bytes(body, BODY_LIMIT)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, bytes.into())).await,
        Ok(Err(_)) => Error::TooLarge.into_response(),
        Err(_) => Error::TimedOut.into_response(),
    }
}

/// 200 while requests are accepted. A database outage does not change this; requests then get 503.
async fn ready(State(AdminState { readiness, .. }): State<AdminState>) -> impl IntoResponse {
    match readiness.check() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn metrics() -> impl IntoResponse {
    let handle = telemetry::metrics_handle();
    handle.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render())
}

/// Announces current states, which means that their snapshots are published: `{"all": true}`, `{"since": "…"}` or
/// `{"ids": […]}`.
async fn resync(
    State(AdminState { stores, .. }): State<AdminState>,
    Body(resync): Body<Resync>,
) -> Result<Json<ResyncResult>, Error> {
    let mut announced = BTreeMap::new();
    for store in stores.iter() {
        announced.insert(store.name().to_owned(), store.resync(&resync).await?);
    }
    Ok(Json(ResyncResult { announced }))
}

/// Writes an entity above a version, and reconciles it as after any change of the service's own. A repeat reconciles it
/// again.
async fn raise(
    State(AdminState { stores, reconcile, .. }): State<AdminState>,
    Body(request): Body<Raise>,
) -> Result<Json<Raised>, Error> {
    for store in stores.iter() {
        if let Some(raised) = store.raise(&request).await? {
            if let Some(reconcile) = reconcile {
                reconcile(request.id).await?;
            }
            return Ok(Json(raised));
        }
    }
    Err(Error::NotFound)
}
