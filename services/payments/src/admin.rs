//! Admin routes specific to this service. After a restore they find money that moved since the backup.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use common::api::admin::{FindOrphans, ORPHANS, Orphans, RECONCILE, ReconciledPayments};
use common::error::Error;
use platform::http::extract::Body;
use platform::lifecycle::Tasks;
use std::time::Duration;

use crate::flows::resolve_orphans::resolve_orphans;
use crate::reconciler;
use crate::state::AppState;

/// The admin routes: POST /reconcile and POST /orphans.
pub fn routes(state: AppState, tasks: Tasks) -> Router {
    Router::new().route(RECONCILE, post(reconcile)).route(ORPHANS, post(orphans)).with_state((state, tasks))
}

/// Synchronises every payment that is not final with the provider, however recently it changed.
async fn reconcile(State((state, tasks)): State<(AppState, Tasks)>) -> Result<Json<ReconciledPayments>, Error> {
    Ok(Json(reconciler::run_once(&state, &tasks, Duration::ZERO).await?))
}

async fn orphans(
    State((state, _)): State<(AppState, Tasks)>,
    Body(request): Body<FindOrphans>,
) -> Result<Json<Orphans>, Error> {
    Ok(Json(Orphans { orphans: resolve_orphans(&state, request.since, request.settle).await? }))
}
