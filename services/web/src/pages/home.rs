//! GET /: what is for sale, soonest first.

use askama::Template;
use axum::extract::State as Shared;
use axum::response::Response;
use common::error::Error;
use common::id::TicketId;
use common::timestamp::Timestamp;
use http::StatusCode;
use platform::http::extract::Query;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use uuid::Uuid;

use super::layout::{self, Layout};
use crate::domain::offer::Offer;
use crate::state::State;
use crate::store::{self, Place};
use crate::viewer::Viewer;

/// How many listings a page shows.
const PAGE: usize = 24;
/// How many words of a search count; more narrow nothing down any further.
const WORDS: usize = 12;

/// How the list is narrowed. Whatever else an address carries is not ours to mind.
#[derive(Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HomeQuery {
    /// Words that title, venue or city must all hold.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    q: String,
    /// Behind which listing the page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    layout: Layout,
    /// What was searched for; empty without a search.
    q: String,
    offers: Vec<Offer>,
    /// Whether this is not the first page.
    is_continued: bool,
    /// Address of the next page.
    next: Option<String>,
}

/// What is for sale.
#[utoipa::path(get, path = "/", tag = "pages", params(HomeQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn home(
    Shared(state): Shared<State>,
    viewer: Viewer,
    Query(query): Query<HomeQuery>,
) -> Result<Response, Error> {
    let after = query.after.as_deref().map(place).transpose()?;
    let q = query.q.trim().chars().take(200).collect::<String>();
    let words = words(&q);
    let now = state.clock.now();
    let model = state.model.live().await?;
    let mut found = if words.is_empty() && !q.is_empty() {
        // Nothing but marks was asked for, which no listing has.
        Vec::new()
    } else {
        // One more than is shown tells whether there is a next page.
        store::for_sale(&model.tickets, &words, now, after, 1 + i64::try_from(PAGE).unwrap_or(i64::MAX)).await?
    };
    let more = found.len() > PAGE;
    found.truncate(PAGE);
    let last = found.last().filter(|_| more).map(|ticket| {
        let place = Place { starts_at: ticket.terms.starts_at, id: ticket.terms.id };
        address(&HomeQuery { q: q.clone(), after: Some(token(place)) })
    });
    let sellers = store::names(&model.users, found.iter().map(|ticket| ticket.seller_id)).await?;
    let offers = found.iter().map(|ticket| Offer::new(ticket, sellers.get(&ticket.seller_id), now)).collect();
    let layout = Layout::new(
        "Tickets for sale",
        "Tickets that people resell: concerts, sport, theatre and more, at all-in prices.",
        &viewer,
    );
    let is_first = q.is_empty() && after.is_none();
    let layout = if is_first { layout.at(format!("{}/", state.public_url)) } else { layout };
    layout::respond(StatusCode::OK, &HomePage { layout, q, offers, is_continued: after.is_some(), next: last })
}

fn address(query: &HomeQuery) -> String {
    format!("/?{}", serde_urlencoded::to_string(query).unwrap_or_default())
}

/// The words of a search.
fn words(q: &str) -> Vec<String> {
    let words = q.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.take(WORDS).map(ToOwned::to_owned).collect()
}

/// A place as it travels in an address.
fn token(place: Place) -> String {
    format!("{}.{}", place.starts_at.as_millis(), place.id.as_uuid().as_simple())
}

fn place(token: &str) -> Result<Place, Error> {
    let read = || {
        let (millis, id) = token.split_once('.')?;
        let id = TicketId::from_uuid(Uuid::try_parse(id).ok()?);
        Some(Place { starts_at: Timestamp::from_millis(millis.parse().ok()?), id })
    };
    read().ok_or_else(|| Error::field("after", "must be from a link of an earlier page"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::offer::tests::sample;

    #[test]
    fn the_template_shows_what_it_is_given() {
        let ticket = sample();
        let ana = "Ana <i>".to_owned();
        let mut page = HomePage {
            layout: Layout::new("Tickets for sale", "All", &Viewer::Guest).at("http://localhost:8080/".to_owned()),
            q: "\"jazz\"".to_owned(),
            offers: vec![Offer::new(&ticket, Some(&ana), ticket.created_at)],
            is_continued: true,
            next: Some("/?q=a&after=b".to_owned()),
        };
        let html = page.render().unwrap();
        for part in [
            "<html lang=\"en\">",
            "<title>Tickets for sale · Ticketing</title>",
            "Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;",
            "Ana &#60;i&#62;",
            "value=\"&#34;jazz&#34;\"",
            "href=\"/?q=a&#38;after=b\"",
            "125.50 USD",
            "Monday, 1 June 2099, 15:30 EDT (America/New_York)",
            "rel=\"canonical\" href=\"http://localhost:8080/\"",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        page.offers.clear();
        page.layout.canonical = None;
        let html = page.render().unwrap();
        assert!(html.contains("Nothing is for sale that matches"), "{html}");
        assert!(html.contains("name=\"robots\" content=\"noindex\""), "{html}");
        page.q.clear();
        assert!(page.render().unwrap().contains("Nothing more is for sale"));
        page.is_continued = false;
        assert!(page.render().unwrap().contains("Nothing is for sale at the moment"));
    }

    #[test]
    fn a_place_survives_its_travel() {
        let there = Place { starts_at: Timestamp::from_millis(-5), id: TicketId::new() };
        assert_eq!(place(&token(there)).unwrap(), there);
        for wrong in ["", "5", "5.", ".", "x.01890a5dac96774bbcceb302099a8057", "5.01890a5dac96774bbcceb302099a805"] {
            assert!(place(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_search_is_its_words() {
        assert_eq!(words("  -Jazz \"at\" $ the.Hall "), ["Jazz", "at", "the", "Hall"]);
        assert!(words(" -\"$ ").is_empty());
    }
}
