//! A listing as tickets has it now: after a refusal that a second click may have met because of the first.
//!
//! # Why
//! Without JavaScript a double click sends a form twice, and the browser shows the answer to the second
//! one, which is refused for what the first one did. Who gets what they asked for is not to be told no.

use common::api::tickets::{Listing, ReadListing};
use common::id::TicketId;

use crate::session::Session;
use crate::state::AppState;

/// What tickets says of it; none when it can't be asked.
pub async fn present_listing(state: &AppState, session: &Session, id: TicketId) -> Option<Listing> {
    Some(state.calls.send(&ReadListing { id }, session).await.ok()?.body)
}
