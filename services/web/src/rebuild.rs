//! Rebuild of the read model: its admin routes, and the task that completes it. A rebuild fills a new generation, a
//! complete set of replicas, which replaces the live one (the swap) once it has all its entities.
//!
//! The caller, such as `ticketctl rebuild web`, also asks the owning services to publish snapshots: this service does
//! not know the addresses of their admin ports.

use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use common::api::admin::{REBUILD, REBUILD_SWAP, RebuildStarted, RebuildStatus};
use common::error::Error;
use platform::lifecycle::{Backoff, Tasks};
use platform::telemetry;
use tokio::time::Instant;

use crate::store::model::ReadModel;

/// Interval between the task's checks.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The admin routes. POST starts a rebuild or returns the current one, GET returns its progress, DELETE abandons it.
pub(crate) fn routes(model: ReadModel) -> Router {
    Router::new()
        .route(REBUILD, get(progress).post(begin).delete(abandon))
        .route(REBUILD_SWAP, post(swap))
        .with_state(model)
}

async fn progress(State(model): State<ReadModel>) -> Result<Json<RebuildStatus>, Error> {
    Ok(Json(model.progress().await?))
}

async fn begin(State(model): State<ReadModel>) -> Result<Json<RebuildStarted>, Error> {
    Ok(Json(RebuildStarted { filling: model.begin().await? }))
}

async fn abandon(State(model): State<ReadModel>) -> Result<Json<RebuildStatus>, Error> {
    model.abandon().await?;
    Ok(Json(model.progress().await?))
}

/// Forces the swap, in case the live generation has entities that no owner will publish again.
async fn swap(State(model): State<ReadModel>) -> Result<Json<RebuildStatus>, Error> {
    model.swap(true).await?;
    Ok(Json(model.progress().await?))
}

/// Swaps a complete generation and drops retired ones, on every instance, until the service stops.
pub(crate) async fn run(model: ReadModel, tasks: Tasks) {
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        let result = match model.swap(false).await {
            Ok(()) => model.drop_retired().await,
            Err(error) => Err(error),
        };
        // Comparing large generations takes long. Use at most a fifth of the time, in favour of page queries.
        let pause = backoff.after_round(&result, CHECK_INTERVAL) + began.elapsed() * 4;
        if let Err(error) = result {
            tracing::warn!(error = telemetry::causes(&error), "could not swap or clean up the read model");
        }
        if !tasks.sleep_unless_stopping(pause).await {
            return;
        }
    }
}
