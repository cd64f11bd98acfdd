//! Building the read model anew: what the admin port takes, and the task that carries it out.
//!
//! web has no address of the owners' admin ports, and needs none: whoever asks for a rebuild asks the
//! owners to announce what they own, as `cargo xtask rebuild web` does.

use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use common::api::admin::{REBUILD, REBUILD_SWAP, RebuildProgress, RebuildStarted};
use common::error::Error;
use platform::lifecycle::{Backoff, Tasks};
use platform::telemetry;
use tokio::time::Instant;

use crate::store::model::ReadModel;

/// How often the task looks for something to do.
const LOOK: Duration = Duration::from_millis(500);

/// The admin routes: POST begins, or tells of the one under way; GET tells how far it is; DELETE gives up.
pub fn routes(model: ReadModel) -> Router {
    Router::new()
        .route(REBUILD, get(progress).post(begin).delete(abandon))
        .route(REBUILD_SWAP, post(swap))
        .with_state(model)
}

async fn progress(State(model): State<ReadModel>) -> Result<Json<RebuildProgress>, Error> {
    Ok(Json(model.progress().await?))
}

async fn begin(State(model): State<ReadModel>) -> Result<Json<RebuildStarted>, Error> {
    Ok(Json(RebuildStarted { filling: model.begin().await? }))
}

async fn abandon(State(model): State<ReadModel>) -> Result<Json<RebuildProgress>, Error> {
    model.abandon().await?;
    Ok(Json(model.progress().await?))
}

/// For what only the old model has and no owner knows: it would be waited for in vain.
async fn swap(State(model): State<ReadModel>) -> Result<Json<RebuildProgress>, Error> {
    model.swap(true).await?;
    Ok(Json(model.progress().await?))
}

/// Swaps and clears away when it is time to, on every instance, until the service ends.
pub async fn run(model: ReadModel, tasks: Tasks) {
    let mut backoff = Backoff::default();
    loop {
        let began = Instant::now();
        let round = async {
            model.swap(false).await?;
            model.clear_away().await
        };
        let round = round.await;
        // Comparing large models takes a while: most of the time is the pages'.
        let pause = backoff.after_round(&round, LOOK) + began.elapsed() * 4;
        if let Err(error) = round {
            tracing::warn!(error = telemetry::causes(&error), "the read model can't be looked after");
        }
        if !tasks.sleep_unless_stopping(pause).await {
            return;
        }
    }
}
