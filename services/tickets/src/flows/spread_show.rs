//! Makes names and listings follow a show.
//!
//! # Why
//! The show is changed first, by one compare-and-swap; everything else follows from its state. The request that changed
//! it spreads the change at once. If it crashes, the handler of the show's own event does. A listing that joins the
//! show in the meantime reads it again once it is stored; if that request crashes, the show's snapshot after a quiet
//! period repeats the spread.

use common::aggregate::Versioned;
use common::error::Error;
use common::id::ShowId;
use futures::future::try_join_all;
use platform::reconcile::Current;

use super::follow_show::follow_show;
use super::join_show::surviving_show;
use crate::domain::show::Show;
use crate::state::AppState;
use crate::store::shows::listings_of;

/// Makes the names of this show and all listings that name it agree with it, or with the show that it was merged into.
pub(crate) async fn spread_show(state: &AppState, id: ShowId) -> Result<(), Error> {
    let Some(show) = surviving_show(state, id).await? else { return Ok(()) };
    keep_names(state, id, &show).await?;
    let mut after = String::new();
    loop {
        let listings = listings_of(&state.tickets, id, &after).await?;
        let Some(last) = listings.last() else { return Ok(()) };
        after = last.id.to_string();
        // Read the show after the listings: a request that changes it after this read then spreads its change as well,
        // and reads the listings as written here.
        let Some(show) = surviving_show(state, id).await? else { return Ok(()) };
        let following = listings
            .into_iter()
            .map(|listing| follow_show(state, listing.id, Current::from(listing), Some(show.clone())));
        try_join_all(following).await?;
    }
}

async fn keep_names(state: &AppState, id: ShowId, show: &Versioned<Show>) -> Result<(), Error> {
    if show.id == id {
        state.show_names.assign_present_name(show, state.clock.now()).await?;
    } else {
        state.show_names.repoint(id, show).await?;
    }
    Ok(())
}
