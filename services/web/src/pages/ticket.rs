//! GET /tickets/{id}: one listing.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use common::error::Error;
use common::events::ticket::TicketState;
use common::id::TicketId;
use common::timestamp::Timestamp;
use http::StatusCode;

use super::layout::{self, Layout};
use crate::domain::offer::Offer;
use crate::state::State;
use crate::store;
use crate::viewer::Viewer;

#[derive(Template)]
#[template(path = "ticket.html")]
struct TicketPage {
    layout: Layout,
    offer: Offer,
    /// Whether the viewer sells it.
    is_own: bool,
}

/// One listing.
#[utoipa::path(get, path = "/tickets/{id}", tag = "pages", params(("id" = TicketId, Path)),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn ticket(
    Shared(state): Shared<State>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    // Whoever mistyped an address is told that nothing is there, not that an id has a form.
    let id: TicketId = id.parse().map_err(|_| Error::NotFound)?;
    let ticket = arrived(&state, id).await?.ok_or(Error::NotFound)?;
    let users = state.model.live().await?.users;
    let sellers = store::names(&users, [ticket.seller_id]).await?;
    let offer = Offer::new(&ticket, sellers.get(&ticket.seller_id), state.clock.now());
    let about = format!("{}, {}: {} all-in.", offer.place, offer.starts_at.text, offer.price);
    let layout = Layout::new(&offer.title, about, &viewer);
    let layout =
        if offer.standing.is_for_sale() { layout.at(format!("{}/tickets/{id}", state.public_url)) } else { layout };
    let is_own = matches!(viewer, Viewer::User { id, .. } if id == ticket.seller_id);
    layout::respond(StatusCode::OK, &TicketPage { layout, offer, is_own })
}

/// For how long after its listing a ticket may still be on its way to the read model.
const FRESH: Duration = Duration::from_secs(10);
/// How long its page waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often it is looked for meanwhile.
const POLL: Duration = Duration::from_millis(25);

/// The listing; one that was listed a moment ago, as its id tells, is waited for: whoever has just
/// listed it must not be told that it does not exist.
async fn arrived(state: &State, id: TicketId) -> Result<Option<TicketState>, Error> {
    let listed = id.as_uuid().get_timestamp().map(|time| time.to_unix());
    let listed = listed.map(|(seconds, _)| Timestamp::from_millis(i64::try_from(seconds).unwrap_or(0) * 1000));
    let is_fresh = listed.is_some_and(|listed| state.clock.now().since(listed) < FRESH);
    let began = tokio::time::Instant::now();
    loop {
        let found = state.model.live().await?.tickets.get(id).await?.map(|ticket| ticket.state);
        if found.is_some() || !is_fresh || began.elapsed() >= PATIENCE {
            return Ok(found);
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use common::events::ticket::TicketStatus;

    use super::*;
    use crate::domain::offer::tests::sample;

    #[test]
    fn the_template_shows_what_it_is_given() {
        let mut ticket = sample();
        let page = |ticket: &_, is_own| {
            let offer = Offer::new(ticket, Some(&"Ana".to_owned()), ticket.created_at);
            TicketPage { layout: Layout::new(&offer.title, "About", &Viewer::Guest), offer, is_own }.render().unwrap()
        };
        let html = page(&ticket, false);
        for part in [
            "<title>Jazz &#38; &#60;b&#62;Blues&#60;/b&#62; · Ticketing</title>",
            "Town Hall, New York",
            "<time datetime=\"2099-06-01T19:30:00.000Z\">Monday, 1 June 2099, 15:30 EDT (America/New_York)</time>",
            "Section A, row 3, seat 14",
            "125.50 USD",
            "99.00 USD",
            "Seller: Ana",
            "Concert",
            "Two lines,\n&#34;quoted&#34;.",
            "For sale.",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("your own listing"));
        assert!(page(&ticket, true).contains("your own listing"));
        ticket.status = TicketStatus::Sold;
        ticket.face_value = None;
        ticket.category = None;
        ticket.description = None;
        (ticket.terms.section, ticket.terms.row, ticket.terms.seat) = (None, None, None);
        let html = page(&ticket, false);
        assert!(html.contains("Sold.") && !html.contains("Face value") && !html.contains("Seat"), "{html}");
    }
}
