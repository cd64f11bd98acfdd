//! GET /selling: the viewer's listings.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use common::api::page::Cursor;
use http::StatusCode;
use platform::store::page::PageRequest;
use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use super::done::Done;
use super::layout::{self, Layout};
use super::orders::CursorQuery;
use crate::domain::duplicate_seats::DuplicateSeats;
use crate::domain::listing_view::{Availability, ListingView};
use crate::i18n::msg;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::page_error::PageError;
use crate::state::AppState;
use crate::store::{duplicate_seats, lists};
use crate::viewer::Viewer;

#[derive(Template)]
#[template(path = "selling.html")]
struct SellingPage {
    layout: Layout,
    /// The listings, with the versions that the page reports to `/live` to be kept up to date.
    listings: Vec<(ListingView, u64)>,
    /// Whether this is a later page than the first.
    is_continued: bool,
    next: Option<String>,
}

/// The query of the list of the viewer's listings.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SellingQuery {
    /// Cursor from the previous page's link.
    #[param(value_type = Option<String>)]
    cursor: Option<Cursor>,
    /// What the viewer has just done.
    #[param(inline)]
    done: Option<Done>,
}

/// Show the viewer's listings.
#[utoipa::path(get, path = "/selling", tag = "pages", params(SellingQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn selling(
    State(state): State<AppState>,
    viewer: Viewer,
    query: LenientQuery<SellingQuery>,
) -> Result<Response, PageError> {
    let user = viewer.require_user("/selling")?;
    let SellingQuery { cursor, done } = query.value;
    let is_continued = cursor.is_some();
    let request = PageRequest::from(CursorQuery { cursor });
    let tickets = state.model.live().await?.tickets;
    let page = lists::listings_of(&tickets, user, &request).await?;
    let same = duplicate_seats::listings_with_seats_of(&tickets, &page.items).await?;
    let now = state.clock.now();
    let views = page.items.iter().map(|ticket| {
        let duplicates = DuplicateSeats::find(ticket, same.iter().map(|it| &it.state), now);
        (ListingView::new(ticket, None, now).for_seller(ticket, duplicates), ticket.version)
    });
    let listings = views.collect();
    let mut layout = Layout::new(msg::selling_title(), msg::selling_description(), &viewer);
    layout.notice = rejected_parameters_message(&query.rejected).or_else(|| done.map(Done::notice));
    let next = page.next_cursor.map(|cursor| cursor.to_string());
    let page = SellingPage { layout, listings, is_continued, next };
    Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
}

#[cfg(test)]
mod tests {
    use common::events::ticket::{TicketState, TicketStatus};

    use super::*;
    use crate::domain::seats::tests::{sample, six_seats};
    use crate::i18n::testing::{assert_texts, in_german};

    #[test]
    fn template_offers_the_possible_actions() {
        let mut ticket = sample();
        let mut page = |status| {
            ticket.status = status;
            let layout = Layout::new("My listings", "About", &Viewer::Guest);
            let listings = vec![(ListingView::new(&ticket, None, ticket.created_at).for_seller(&ticket, None), 3)];
            SellingPage { layout, listings, is_continued: false, next: Some("abc".to_owned()) }.render().unwrap()
        };
        let html = page(TicketStatus::Available);
        for part in ["Jazz &#38;", "/edit\"", "Withdraw", "$125.50", "/selling?cursor=abc", "data-version=\"3\""] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        for status in [TicketStatus::Reserved, TicketStatus::Sold, TicketStatus::Withdrawn] {
            let html = page(status);
            assert!(!html.contains("/edit\"") && !html.contains("/withdraw\""), "{html}");
            let sale = "You sold it for $125.50. There is nothing else for you to do. Payouts to sellers are not";
            assert_eq!(html.contains(sale), status == TicketStatus::Sold, "{html}");
            assert_eq!(html.contains(">You withdrew it."), status == TicketStatus::Withdrawn, "{html}");
        }
        let cancelled = TicketState { show_cancelled: true, ..sample() };
        let listings = vec![(ListingView::new(&cancelled, None, cancelled.created_at), 3)];
        let layout = Layout::new("My listings", "About", &Viewer::Guest);
        let html = SellingPage { layout, listings, is_continued: false, next: None }.render().unwrap();
        assert!(html.contains("Not for sale: the show has been cancelled.") && !html.contains("/edit\""), "{html}");
        assert!(!html.contains("List another"), "{html}");
        let again = TicketState { show_id: ticket.show_id, seller_id: ticket.seller_id, ..sample() };
        ticket.status = TicketStatus::Available;
        let duplicates = DuplicateSeats::find(&again, [&ticket], again.created_at);
        let view = ListingView::new(&again, None, again.created_at).for_seller(&again, duplicates);
        let layout = Layout::new("My listings", "About", &Viewer::Guest);
        let html = SellingPage { layout, listings: vec![(view, 3)], is_continued: false, next: None }.render().unwrap();
        assert!(html.contains("<p class=\"alert alert-warning\">You have listed seat 14 twice. "), "{html}");
        let layout = Layout::new("My listings", "About", &Viewer::Guest);
        let html = SellingPage { layout, listings: Vec::new(), is_continued: false, next: None }.render().unwrap();
        assert!(html.contains("You haven’t listed any tickets yet"), "{html}");
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let six = six_seats(&[2, 2, 2]);
        let again = TicketState { show_id: six.show_id, seller_id: six.seller_id, ..sample() };
        let [held, sold, withdrawn] = [TicketStatus::Reserved, TicketStatus::Sold, TicketStatus::Withdrawn]
            .map(|status| TicketState { status, ..sample() });
        let html = in_german(|| {
            let view = |ticket| ListingView::new(ticket, None, six.created_at).for_seller(ticket, None);
            let duplicates = DuplicateSeats::find(&six, [&again], six.created_at);
            let listings = vec![
                (view(&six).for_seller(&six, duplicates), 3),
                (view(&held), 3),
                (view(&sold), 3),
                (view(&withdrawn), 3),
            ];
            let layout = Layout::new(msg::selling_title(), msg::selling_description(), &Viewer::Guest);
            let page = SellingPage { layout, listings, is_continued: false, next: None }.render().unwrap();
            let layout = Layout::new(msg::selling_title(), msg::selling_description(), &Viewer::Guest);
            page + &SellingPage { layout, listings: Vec::new(), is_continued: false, next: None }.render().unwrap()
        });
        let english = "My listings<|listed|You |Payouts|Nobody|Sell a|For sale|Held|per seat|Section|Edit|Withdraw|\
                          List another|$125";
        assert_texts(
            &html,
            &[
                "<h1>Meine Angebote</h1>",
                ">Ticket verkaufen</a>",
                "data-live-price>125,50\u{a0}$</span> pro Platz",
                "Block A, Reihe 3, Plätze\u{a0}12 bis 17",
                ">Im Verkauf</span> <span class=\"quiet\">6 von 6 Plätzen frei (",
                "Du bietest Platz 14 zweimal an.",
                ">Zurückziehen …</summary>",
                "Dann ist es nicht mehr zu haben.",
                ">Jetzt zurückziehen</button>",
                "Du hast es für 125,50\u{a0}$ verkauft. Du musst nichts weiter tun. Auszahlungen sind noch nicht möglich.",
                ">Du hast es zurückgezogen.",
                "Gerade reserviert.",
                "Du hast noch keine Tickets angeboten.",
            ],
            english.split('|'),
        );
    }
}
