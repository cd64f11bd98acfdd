//! Replaces the details of a listing and the names of its seats. If the details describe another show, the listing
//! leaves its show and joins or makes the other one.

use common::aggregate::Versioned;
use common::error::Error;
use common::events::ticket::TicketChange;
use common::id::{ShowId, TicketId, UserId};
use common::timestamp::Timestamp;
use platform::http::versions::IfMatch;
use platform::reconcile::Current;
use platform::store::error::StoreError;

use super::change_listing::{change_listing, ensure_may_change};
use super::ensure_not_listed::ensure_not_listed;
use super::follow_show::follow_show;
use super::join_show::{find_show, join_show};
use crate::domain::follow;
use crate::domain::show::Show;
use crate::domain::ticket::{ListingDetails, SeatPlace, Ticket};
use crate::domain::ticket_error::TicketError;
use crate::state::AppState;

/// Maximum number of attempts. An attempt fails if it turns out that a show or other listings have to be looked up
/// first.
const MAX_ATTEMPTS: usize = 8;

/// Why an edit was not made.
enum EditError {
    /// The details describe another show, which the caller has to look up first.
    OtherShow,
    /// The edit gives the listing other seats. The caller has to check that the seller does not list them already.
    /// Contains the listing as the edit would leave it.
    OtherSeats(Box<Ticket>),
    /// The edit is not allowed, or the database failed.
    Failed(Error),
}

/// A seller's request to edit a listing.
pub(crate) struct EditRequest<'a> {
    pub(crate) id: TicketId,
    pub(crate) seller: UserId,
    /// The version that the listing must have.
    pub(crate) if_match: &'a IfMatch,
    /// The new details.
    pub(crate) details: ListingDetails,
    /// The new names of the seats.
    pub(crate) names: Vec<Option<String>>,
}

/// An edit of a listing, and what was looked up for it.
struct Edit<'a> {
    state: &'a AppState,
    request: EditRequest<'a>,
    now: Timestamp,
    /// The show that the details describe, if it is another one.
    show: Option<Versioned<Show>>,
    /// The seats that were found not to be listed elsewhere by the seller.
    checked: Option<SeatPlace>,
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

/// Replaces the details of a seller's listing and the names of its seats. The show is looked up only if the details
/// describe another one, and other listings only if the seats change.
pub(crate) async fn edit_listing(state: &AppState, request: EditRequest<'_>) -> Result<Versioned<Ticket>, Error> {
    let mut edit = Edit::new(state, request);
    let EditRequest { id, seller, if_match, .. } = edit.request;
    for _ in 0..MAX_ATTEMPTS {
        match change_listing(state, id, seller, if_match, |ticket| edit.apply(ticket)).await {
            Ok(edited) => {
                if edit.show.is_some() {
                    // The show may have been changed since it was read, and the spread of that change may have missed
                    // this listing.
                    follow_show(state, id, Current::Unread, None).await?;
                }
                return Ok(edited);
            }
            Err(EditError::OtherShow) => {
                edit.show = Some(join_show(state, edit.request.details.show(), edit.now).await?);
            }
            Err(EditError::OtherSeats(changed)) => edit.check_seats(&changed).await?,
            Err(EditError::Failed(error)) => return Err(error),
        }
    }
    Err(Error::Unavailable(None))
}

/// Checks an edit by the rules of [`edit_listing`], without storing anything.
pub(crate) async fn check_edit(state: &AppState, request: EditRequest<'_>) -> Result<(), Error> {
    let mut edit = Edit::new(state, request);
    let EditRequest { id, seller, if_match, .. } = edit.request;
    let ticket = state.tickets.get(id).await?.ok_or(Error::NotFound)?;
    ensure_may_change(&ticket, seller, if_match)?;
    for _ in 0..MAX_ATTEMPTS {
        match edit.apply(ticket.state.clone()) {
            Ok(_) => return Ok(()),
            Err(EditError::OtherShow) => {
                let (described, now) = (edit.request.details.show(), edit.now);
                let found = find_show(state, &described).await?;
                let made = || Versioned { version: 0, state: Show::create(ShowId::new(), described, now).0 };
                edit.show = Some(found.unwrap_or_else(made));
            }
            Err(EditError::OtherSeats(changed)) => edit.check_seats(&changed).await?,
            Err(EditError::Failed(error)) => return Err(error),
        }
    }
    Err(Error::Unavailable(None))
}

impl<'a> Edit<'a> {
    fn new(state: &'a AppState, request: EditRequest<'a>) -> Self {
        Self { state, request, now: state.clock.now(), show: None, checked: None }
    }

    /// Checks that the seller does not list the seats of the changed listing already.
    async fn check_seats(&mut self, changed: &Ticket) -> Result<(), Error> {
        ensure_not_listed(self.state, changed).await?;
        self.checked = Some(changed.place());
        Ok(())
    }

    /// The listing with the new details.
    fn apply(&self, ticket: Ticket) -> Result<(Ticket, TicketChange), EditError> {
        let (details, caps) = (self.request.details.clone(), &self.state.price_caps);
        let (link, details) = match &self.show {
            Some(show) => (follow::link(show), follow::details_when_joining(details, &show.details)),
            None if follow::is_same_show(&details, &ticket.listing) => {
                (ticket.show.clone(), follow::details_in_same_show(details, &ticket.listing))
            }
            None => {
                // No show is made for an edit that is not allowed.
                ticket.ensure_untouched()?;
                details.check_cap(caps, details.show().country.as_deref())?;
                return Err(EditError::OtherShow);
            }
        };
        details.check_cap(caps, link.country.as_deref())?;
        let place = ticket.place();
        let (revised, change) = ticket.revise(link, details, self.request.names.clone(), self.now)?;
        if revised.place() != place && Some(revised.place()) != self.checked {
            return Err(EditError::OtherSeats(Box::new(revised)));
        }
        Ok((revised, change))
    }
}
