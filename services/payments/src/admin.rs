//! What operators ask for on the admin port, beside what every service has there: after a restore, money that
//! moved since the backup is found.

use axum::extract::State as Shared;
use axum::routing::post;
use axum::{Json, Router};
use common::api::admin::{FindStrays, RECONCILE, Reconciled, STRAYS, Strays};
use common::error::Error;
use platform::http::extract::Body;
use platform::lifecycle::Tasks;
use std::time::Duration;

use crate::flows::settle_strays::settle_strays;
use crate::reconciler;
use crate::state::State;

/// The admin routes: POST /reconcile and POST /strays.
pub fn routes(state: State, tasks: Tasks) -> Router {
    Router::new().route(RECONCILE, post(reconcile)).route(STRAYS, post(strays)).with_state((state, tasks))
}

/// Looks every payment up that is not final, however short it has rested.
async fn reconcile(Shared((state, tasks)): Shared<(State, Tasks)>) -> Result<Json<Reconciled>, Error> {
    let round = reconciler::round(&state, &tasks, Duration::ZERO).await?;
    Ok(Json(Reconciled { looked_up: round.looked_up, failed: round.failed }))
}

async fn strays(
    Shared((state, _)): Shared<(State, Tasks)>,
    Body(wanted): Body<FindStrays>,
) -> Result<Json<Strays>, Error> {
    Ok(Json(Strays { strays: settle_strays(&state, wanted.since, wanted.settle).await? }))
}
