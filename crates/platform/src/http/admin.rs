//! The admin routes: liveness, readiness, metrics and resync. They have a port of their own, not open to the internet.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use common::api::admin::{RESYNC, Resync, ResyncResult};
use common::error::Error;
use http::{StatusCode, header};

use super::extract::Body;
use super::shell::BODY_LIMIT;
use crate::context::Readiness;
use crate::outbox::OutboxStores;
use crate::telemetry;

type AdminState = (Readiness, OutboxStores);

/// The admin routes of a service.
pub(crate) fn router(readiness: Readiness, stores: OutboxStores) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route(RESYNC, post(resync))
        .with_state((readiness, stores))
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
async fn ready(State((readiness, _)): State<AdminState>) -> impl IntoResponse {
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

/// Announces current states: `{"all": true}`, `{"since": "…"}` or `{"ids": […]}`.
async fn resync(
    State((_, stores)): State<AdminState>,
    Body(resync): Body<Resync>,
) -> Result<Json<ResyncResult>, Error> {
    let mut announced = BTreeMap::new();
    for store in stores.iter() {
        announced.insert(store.name().to_owned(), store.resync(&resync).await?);
    }
    Ok(Json(ResyncResult { announced }))
}
