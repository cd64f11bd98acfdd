//! The seller changes a listing: found, theirs, at the version they meant, then one step.

use common::aggregate::Versioned;
use common::error::{Error, Rejection};
use common::events::ticket::TicketChange;
use common::id::{TicketId, UserId};
use platform::http::versions::IfMatch;

use super::reconcile_ticket::reconcile_ticket;
use crate::domain::ticket::{Ticket, TicketError};
use crate::state::AppState;

/// Applies `change`, again if somebody was faster; the listing as the change left it.
pub async fn change_listing(
    state: &AppState,
    id: TicketId,
    seller: UserId,
    when: &IfMatch,
    change: impl Fn(Ticket) -> Result<(Ticket, TicketChange), TicketError> + Send + Sync,
) -> Result<Versioned<Ticket>, Error> {
    let changed = state.tickets.update(id, |ticket| {
        if ticket.seller_id != seller {
            return Err(Error::Forbidden(Rejection::new("not-the-seller", "Only its seller can change a listing.")));
        }
        when.check(ticket.version)?;
        Ok(change(ticket.state.clone())?)
    });
    let changed = changed.await?.ok_or(Error::NotFound)?;
    reconcile_ticket(state, id).await?;
    Ok(changed)
}
