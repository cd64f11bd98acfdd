//! GET /api/tickets/duplicate-seats: seats that are listed more than once, for the staff.

use axum::Json;
use axum::extract::State;
use common::api::tickets::DuplicateSeats;
use common::error::Error;
use common::identity::CurrentUser;

use super::shows::STAFF;
use crate::state::AppState;

/// List seats that more than one listing has.
#[utoipa::path(get, path = "/api/tickets/duplicate-seats", tag = "tickets",
    security(("session" = []), ("sessionOverHttp" = [])),
    responses((status = 200, body = DuplicateSeats, description = "For support and operators.")))]
pub(super) async fn duplicate_seats(
    State(state): State<AppState>,
    user: CurrentUser,
) -> Result<Json<DuplicateSeats>, Error> {
    user.require_role(&STAFF)?;
    let items = state.duplicate_seats.find(state.clock.now()).await?;
    Ok(Json(DuplicateSeats { items }))
}
