//! Applies a seller's change to a listing: checks the seller and the version, then makes one transition.

use common::aggregate::Versioned;
use common::error::{Error, Rejection};
use common::events::ticket::TicketChange;
use common::id::{TicketId, UserId};
use platform::http::versions::IfMatch;
use platform::reconcile::Current;
use platform::store::error::StoreError;

use super::reconcile_ticket::reconcile_ticket;
use crate::domain::ticket::Ticket;
use crate::state::AppState;

/// Applies `change`, retrying after a lost compare-and-swap. Returns the listing as the change left it.
pub(crate) async fn change_listing<E: From<Error> + From<StoreError>>(
    state: &AppState,
    id: TicketId,
    seller: UserId,
    if_match: &IfMatch,
    change: impl Fn(Ticket) -> Result<(Ticket, TicketChange), E> + Send + Sync,
) -> Result<Versioned<Ticket>, E> {
    let changed = state.tickets.update::<E>(id, |ticket| {
        ensure_may_change(ticket, seller, if_match)?;
        change(ticket.state.clone())
    });
    let changed = changed.await?.ok_or(Error::NotFound)?;
    reconcile_ticket(state, id, Current::from(changed.clone()), None).await?;
    Ok(changed)
}

/// Rejects a change by a user who is not the seller, or for another version of the listing than the present one.
pub(crate) fn ensure_may_change(ticket: &Versioned<Ticket>, seller: UserId, if_match: &IfMatch) -> Result<(), Error> {
    if ticket.seller_id != seller {
        let rejection = Rejection::new("not-the-seller", "Only the seller can change this listing.");
        return Err(Error::Forbidden(rejection));
    }
    if_match.check(ticket.version)
}
