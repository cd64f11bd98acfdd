//! What operators ask for on the admin port, beside what every service has there: after a restore, money that
//! moved since the backup is found.

use axum::extract::State as Shared;
use axum::routing::post;
use axum::{Json, Router};
use common::error::Error;
use common::timestamp::Timestamp;
use platform::http::extract::Body;
use platform::lifecycle::Tasks;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use validator::Validate;

use crate::flows::settle_strays::{Stray, settle_strays};
use crate::reconciler;
use crate::state::State;

/// The admin routes: POST /reconcile and POST /strays.
pub fn routes(state: State, tasks: Tasks) -> Router {
    Router::new().route("/reconcile", post(reconcile)).route("/strays", post(strays)).with_state((state, tasks))
}

/// How many unfinished payments were looked up at the card network, and for how many that failed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Reconciled {
    looked_up: usize,
    failed: usize,
}

/// Looks every payment up that is not final, however short it has rested.
async fn reconcile(Shared((state, tasks)): Shared<(State, Tasks)>) -> Result<Json<Reconciled>, Error> {
    let round = reconciler::round(&state, &tasks, Duration::ZERO).await?;
    Ok(Json(Reconciled { looked_up: round.looked_up, failed: round.failed }))
}

/// `{"since": "2026-11-24T03:00:00Z", "settle": true}`.
#[derive(Debug, Deserialize, Validate)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wanted {
    since: Timestamp,
    #[serde(default)]
    settle: bool,
}

/// What was found, and done about it.
#[derive(Debug, Serialize)]
struct Strays {
    strays: Vec<Stray>,
}

async fn strays(Shared((state, _)): Shared<(State, Tasks)>, Body(wanted): Body<Wanted>) -> Result<Json<Strays>, Error> {
    Ok(Json(Strays { strays: settle_strays(&state, wanted.since, wanted.settle).await? }))
}
