//! The current listing from the tickets service, used when a command on it was rejected.
//!
//! # Why
//! Without JavaScript a double click submits a form twice, and the browser shows the response to the second request,
//! which is rejected because the first one succeeded. A user whose request succeeded must not see an error.

use common::api::tickets::{Listing, ReadListing};
use common::id::TicketId;

use crate::client_context::ClientContext;
use crate::state::AppState;

/// The listing, or `None` if the tickets service did not return it.
pub(crate) async fn fetch_current_listing(state: &AppState, client: &ClientContext, id: TicketId) -> Option<Listing> {
    Some(state.services.send(&ReadListing { id }, client).await.ok()?.body)
}
