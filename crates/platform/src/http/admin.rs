//! The admin server: alive, ready, metrics, resync. On a port of its own that is not for the internet.

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
use crate::outbox::Sources;
use crate::telemetry;

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    sources: Sources,
}

/// The admin routes of a service.
pub(crate) fn router(readiness: Readiness, sources: Sources) -> Router {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route(RESYNC, post(resync))
        .with_state(Admin { readiness, sources })
}

/// Waits for a body no longer than for a head, since nothing else ends an admin request: a resync may take minutes.
pub(crate) async fn read_body(State(patience): State<Duration>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match tokio::time::timeout(patience, axum::body::to_bytes(body, BODY_LIMIT)).await {
        Ok(Ok(bytes)) => next.run(Request::from_parts(parts, bytes.into())).await,
        Ok(Err(_)) => Error::TooLarge.into_response(),
        Err(_) => Error::TimedOut.into_response(),
    }
}

/// 200 when requests can be served; while the database is away they are, with 503.
async fn ready(State(admin): State<Admin>) -> impl IntoResponse {
    match admin.readiness.check() {
        Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
    }
}

async fn metrics() -> impl IntoResponse {
    let handle = telemetry::metrics_handle();
    handle.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], handle.render())
}

/// Announces present states again: `{"all": true}`, `{"since": "…"}` or `{"ids": […]}`.
async fn resync(State(admin): State<Admin>, Body(wanted): Body<Resync>) -> Result<Json<ResyncResult>, Error> {
    let mut announced = BTreeMap::new();
    for source in admin.sources.iter() {
        announced.insert(source.name().to_owned(), source.resync(&wanted).await?);
    }
    Ok(Json(ResyncResult { announced }))
}
