//! Finds the show of a new or edited listing, or makes it.

use std::collections::HashSet;

use common::aggregate::Versioned;
use common::error::Error;
use common::id::ShowId;
use common::timestamp::Timestamp;
use platform::store::index::ID_INDEX;

use crate::domain::follow;
use crate::domain::show::{Show, ShowDetails};
use crate::domain::show_link::ShowLink;
use crate::domain::ticket::ListingDetails;
use crate::domain::ticket_error::TicketError;
use crate::state::AppState;
use crate::store::show_names::NamedShow;

/// Returns the show that has the name of these details, now or from before a change, or makes it. Of two listings at
/// the same time, one makes the show and the other joins it. A crash between two writes leaves what the next call
/// completes.
///
/// The show may change before the listing is stored, so the caller makes the listing follow it afterwards.
pub(crate) async fn join_show(
    state: &AppState,
    details: ShowDetails,
    now: Timestamp,
) -> Result<Versioned<Show>, Error> {
    let named = state.show_names.find_or_claim(&details.name(), now).await?;
    let show_id = named.show_id;
    let show = match named.into_show() {
        Some(show) => show,
        None => make_show(state, show_id, details, now).await?,
    };
    follow_merges(state, show).await
}

/// Finds the show that [`join_show`] would return, if it exists. Stores nothing.
pub(crate) async fn find_show(state: &AppState, details: &ShowDetails) -> Result<Option<Versioned<Show>>, Error> {
    let named = state.show_names.find(&details.name()).await?;
    match named.and_then(NamedShow::into_show) {
        Some(show) => Ok(Some(follow_merges(state, show).await?)),
        None => Ok(None),
    }
}

/// Returns the link of a new listing to its show, and the details of the listing, some of which are those of the show.
///
/// # Errors
/// If the show is cancelled, or the price is above the cap of its country.
pub(crate) fn details_in_show(
    state: &AppState,
    details: ListingDetails,
    show: &Show,
) -> Result<(ShowLink, ListingDetails), Error> {
    if show.is_cancelled() {
        return Err(TicketError::ShowCancelled.into());
    }
    let details = follow::details_when_joining(details, &show.details);
    // The staff may have corrected the country.
    details.check_cap(&state.price_caps, show.details.country.as_deref())?;
    Ok((follow::link(show), details))
}

async fn make_show(
    state: &AppState,
    id: ShowId,
    details: ShowDetails,
    now: Timestamp,
) -> Result<Versioned<Show>, Error> {
    let (show, change) = Show::create(id, details, now);
    match state.shows.insert(show, change).await {
        Ok(made) => Ok(made),
        Err(error) if error.is_duplicate_of(ID_INDEX) => {
            state.shows.get_confirming_absence(id).await?.ok_or(Error::Unavailable(None))
        }
        Err(error) => Err(error.into()),
    }
}

/// The show with this id, or the one that it was merged into. `None` if there is no such show.
pub(crate) async fn surviving_show(state: &AppState, id: ShowId) -> Result<Option<Versioned<Show>>, Error> {
    match state.shows.get(id).await? {
        Some(show) => Ok(Some(follow_merges(state, show).await?)),
        None => Ok(None),
    }
}

/// Follows merges to the show that remains, however many there are.
async fn follow_merges(state: &AppState, mut show: Versioned<Show>) -> Result<Versioned<Show>, Error> {
    let mut passed = HashSet::new();
    while let Some(into) = show.merged_into {
        // Two shows can't be merged into each other, so a circle is a sign of a bug.
        if !passed.insert(show.id) {
            return Err(Error::internal_message(format!("the merges of show {} do not end", show.id)));
        }
        let next = state.shows.get_confirming_absence(into).await?;
        show =
            next.ok_or_else(|| Error::internal_message(format!("{} was merged into a show that is missing", show.id)))?;
    }
    Ok(show)
}
