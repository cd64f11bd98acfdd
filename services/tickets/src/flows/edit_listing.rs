//! Replaces the details of a listing. If they describe another show, the listing leaves its show and joins or makes the
//! other one.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::ticket::TicketChange;
use common::id::{TicketId, UserId};
use common::timestamp::Timestamp;
use platform::http::versions::IfMatch;
use platform::reconcile::Current;
use platform::store::error::StoreError;

use super::change_listing::change_listing;
use super::follow_show::follow_show;
use super::join_show::join_show;
use crate::domain::follow;
use crate::domain::show::Show;
use crate::domain::ticket::{ListingDetails, Ticket, TicketError};
use crate::state::AppState;

/// Why an edit was not made.
enum EditError {
    /// The details describe another show, which the caller has to look up first.
    OtherShow,
    /// The edit is not allowed, or the database failed.
    Failed(Error),
}

impl From<Error> for EditError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for EditError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<TicketError> for EditError {
    fn from(error: TicketError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<EditError> for Error {
    fn from(error: EditError) -> Self {
        match error {
            EditError::Failed(error) => error,
            EditError::OtherShow => Self::internal_message("an edit did not use the show that was looked up for it"),
        }
    }
}

/// Replaces the details of a seller's listing. The show is looked up only if the details describe another one.
pub(crate) async fn edit_listing(
    state: &AppState,
    id: TicketId,
    seller: UserId,
    if_match: &IfMatch,
    details: ListingDetails,
) -> Result<Versioned<Ticket>, Error> {
    let now = state.clock.now();
    let edited = change_listing(state, id, seller, if_match, |ticket| edit(state, ticket, &details, None, now)).await;
    match edited {
        Err(EditError::OtherShow) => {}
        edited => return Ok(edited?),
    }
    let show = join_show(state, details.show(), now).await?;
    let edit = |ticket| edit(state, ticket, &details, Some(&show.state), now);
    let edited = change_listing(state, id, seller, if_match, edit).await?;
    // Whoever changed the show since it was read may not have seen this listing.
    follow_show(state, id, Current::Unread, None).await?;
    Ok(edited)
}

/// The listing with other details. `show` is the show that they describe, if it was looked up.
fn edit(
    state: &AppState,
    ticket: Ticket,
    details: &ListingDetails,
    show: Option<&Show>,
    now: Timestamp,
) -> Result<(Ticket, TicketChange), EditError> {
    let (link, details) = match show {
        Some(show) => (follow::link(show), follow::details_at(details.clone(), &show.details)),
        None if follow::is_same_show(details, &ticket.listing) => {
            (ticket.show.clone(), follow::details_kept(details.clone(), &ticket.listing))
        }
        None => {
            // No show is made for an edit that is not allowed.
            ticket.ensure_available()?;
            details.check_cap(&state.price_caps, details.show().country.as_deref())?;
            return Err(EditError::OtherShow);
        }
    };
    details.check_cap(&state.price_caps, link.country.as_deref())?;
    Ok(ticket.revise(link, details, now)?)
}
