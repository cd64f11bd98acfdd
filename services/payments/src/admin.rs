//! What operators ask for on the admin port, beside what every service has there: after a restore, money that
//! moved since the backup is found.

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use common::api::admin::{FindOrphans, ORPHANS, Orphans, RECONCILE, ReconciledPayments};
use common::error::Error;
use platform::http::extract::Body;
use platform::lifecycle::Tasks;
use std::time::Duration;

use crate::flows::settle_orphans::settle_orphans;
use crate::reconciler;
use crate::state::AppState;

/// The admin routes: POST /reconcile and POST /orphans.
pub fn routes(state: AppState, tasks: Tasks) -> Router {
    Router::new().route(RECONCILE, post(reconcile)).route(ORPHANS, post(orphans)).with_state((state, tasks))
}

/// Looks every payment up that is not final, however short it has rested.
async fn reconcile(State((state, tasks)): State<(AppState, Tasks)>) -> Result<Json<ReconciledPayments>, Error> {
    let round = reconciler::round(&state, &tasks, Duration::ZERO).await?;
    Ok(Json(ReconciledPayments { looked_up: round.looked_up, failed: round.failed }))
}

async fn orphans(
    State((state, _)): State<(AppState, Tasks)>,
    Body(wanted): Body<FindOrphans>,
) -> Result<Json<Orphans>, Error> {
    Ok(Json(Orphans { orphans: settle_orphans(&state, wanted.since, wanted.settle).await? }))
}
