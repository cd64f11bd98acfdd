//! GET /selling: what the viewer has listed.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use platform::store::page::PageRequest;

use super::failure::Failure;
use super::layout::{self, Layout};
use super::orders::Continued;
use crate::domain::offer::{Offer, Standing};
use crate::parameters::{Parameters, notice};
use crate::state::AppState;
use crate::store::lists;
use crate::viewer::Viewer;

#[derive(Template)]
#[template(path = "selling.html")]
struct SellingPage {
    layout: Layout,
    /// With their versions.
    offers: Vec<(Offer, u64)>,
    is_continued: bool,
    /// Cursor of the next page.
    next: Option<String>,
}

layout::page!(SellingPage);

/// What the viewer has listed.
#[utoipa::path(get, path = "/selling", tag = "pages", params(Continued),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn selling(
    State(state): State<AppState>,
    viewer: Viewer,
    query: Parameters<Continued>,
) -> Result<Response, Failure> {
    let user = viewer.id().ok_or_else(|| Failure::SignIn("/selling".to_owned()))?;
    let is_continued = query.known.cursor.is_some();
    let request = PageRequest::from(query.known);
    let page = lists::listings_of(&state.model.live().await?.tickets, user, &request).await?;
    let now = state.clock.now();
    let offers = page.items.iter().map(|ticket| (Offer::new(ticket, None, now), ticket.version)).collect();
    let layout = Layout::new("My listings", "The tickets that you have listed.", &viewer).saying(notice(&query.faults));
    let next = page.next_cursor.map(|cursor| cursor.to_string());
    Ok(layout::respond(StatusCode::OK, &SellingPage { layout, offers, is_continued, next })?)
}

#[cfg(test)]
mod tests {
    use common::events::ticket::TicketStatus;

    use super::*;
    use crate::domain::offer::tests::sample;

    #[test]
    fn the_template_offers_what_can_be_done() {
        let mut ticket = sample();
        let mut page = |status| {
            ticket.status = status;
            let layout = Layout::new("My listings", "About", &Viewer::Guest);
            let offers = vec![(Offer::new(&ticket, None, ticket.created_at), 3)];
            SellingPage { layout, offers, is_continued: false, next: Some("abc".to_owned()) }.render().unwrap()
        };
        let html = page(TicketStatus::Available);
        for part in ["Jazz &#38;", "/edit\"", "Withdraw", "125.50 USD", "/selling?cursor=abc", "data-version=\"3\""] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        for status in [TicketStatus::Reserved, TicketStatus::Sold, TicketStatus::Withdrawn] {
            let html = page(status);
            assert!(!html.contains("/edit\"") && !html.contains("/withdraw\""), "{html}");
        }
        let layout = Layout::new("My listings", "About", &Viewer::Guest);
        let html = SellingPage { layout, offers: Vec::new(), is_continued: false, next: None }.render().unwrap();
        assert!(html.contains("You have listed nothing yet"), "{html}");
    }
}
