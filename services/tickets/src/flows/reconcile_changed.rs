//! Reconciles what the platform has changed.

use common::error::Error;
use common::id::{ShowId, TicketId};
use platform::reconcile::Current;

use super::follow_show::follow_show;
use super::reconcile_ticket::reconcile_ticket;
use super::spread_show::spread_show;
use crate::state::AppState;

/// Reconciles the listing or the show with this id.
pub(crate) async fn reconcile_changed(state: AppState, id: TicketId) -> Result<(), Error> {
    match reconcile_ticket(&state, id, Current::Unread, None).await? {
        Some(ticket) => follow_show(&state, id, Current::from(ticket), None).await,
        None => spread_show(&state, ShowId::from_uuid(id.as_uuid())).await,
    }
}
