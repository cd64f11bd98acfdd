//! The admin routes: resync and raise. They have a separate port, which only `ticketctl` may reach.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use common::api::admin::{RAISE, RESYNC, Raise, Raised, Resync, ResyncResult};
use common::error::Error;
use futures::future::BoxFuture;

use super::extract::Body;
use super::shell::BODY_LIMIT;
use crate::outbox::OutboxStores;

/// Reconciles the service's entity with this id.
pub(crate) type ReconcileById = Arc<dyn Fn(String) -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// What the routes need. A service without a reconciler owns entities that depend on no replica.
#[derive(Clone)]
pub(crate) struct AdminState {
    pub(crate) stores: OutboxStores,
    pub(crate) reconcile: Option<ReconcileById>,
}

/// The admin routes of a service.
pub(crate) fn router(state: AdminState) -> Router {
    Router::new().route(RESYNC, post(resync)).route(RAISE, post(raise)).with_state(state)
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

/// Writes an entity at a version above the requested one, then reconciles it, as the service does after each of its own
/// changes. A repeated request only reconciles it again.
async fn raise(
    State(AdminState { stores, reconcile, .. }): State<AdminState>,
    Body(request): Body<Raise>,
) -> Result<Json<Raised>, Error> {
    let mut failure = Error::NotFound;
    for store in stores.iter() {
        match store.raise(&request).await {
            Ok(Some(raised)) => {
                if let Some(reconcile) = reconcile {
                    reconcile(request.id).await?;
                }
                return Ok(Json(raised));
            }
            // A state that is invalid in one store may be that of an entity in another one.
            Err(error) => failure = more_telling(failure, error),
            Ok(None) => {}
        }
    }
    Err(failure)
}

/// Returns the more informative error of two stores. A store that does not have the entity returns `NotFound`, or
/// `Invalid` for a state of another type, so any other error takes precedence over these.
fn more_telling(first: Error, second: Error) -> Error {
    match (first, second) {
        (Error::NotFound | Error::Invalid(_), other) | (other, Error::NotFound | Error::Invalid(_)) => other,
        (first, _) => first,
    }
}
