//! Rejects a listing of a seat that its seller lists already.

use common::error::{Error, Rejection};
use common::problem::Params;

use crate::domain::ticket::Ticket;
use crate::state::AppState;
use crate::store::same_seats;

/// Rejects a new or changed listing if its seller has another one with one of its seats: a seat of the same name in the
/// same section and row of the same show, which is not withdrawn. Nothing is read if no seat has a name.
///
/// # Why
/// This guards against mistakes, so one read before the write is enough: two requests at the same moment can both pass.
/// Two sellers may list the same seat, because only one of them has it and we can't tell who. Seats that are listed
/// more than once are shown to their sellers and to the staff.
///
/// # Errors
/// A conflict that names the seat.
pub(crate) async fn ensure_not_listed(state: &AppState, ticket: &Ticket) -> Result<(), Error> {
    match same_seats::find_own(&state.tickets, ticket).await? {
        Some(seat) => {
            let detail =
                format!("You have already listed seat {seat} for this show. Edit or withdraw that listing first.");
            let params = Params::default().with("seat", seat.as_str());
            Err(Error::Conflict(Rejection::new("seat-listed", detail).with_params(params)))
        }
        None => Ok(()),
    }
}
