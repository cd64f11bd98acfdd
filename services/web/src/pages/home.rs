//! GET /: ways into what is for sale, and some of it.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use common::error::Error;
use common::timestamp::Timestamp;
use futures::future::try_join_all;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use super::browse::{ABOUT, offers};
use super::layout::{self, Layout};
use crate::domain::chips::{self, Chip};
use crate::domain::filter::{Asked, Filter};
use crate::domain::offer::Offer;
use crate::domain::sort::Sort;
use crate::parameters::{Parameters, notice};
use crate::state::AppState;
use crate::store::model::Replicas;
use crate::store::search::search;
use crate::viewer::Viewer;

/// Each shelf: what it is called, in which order it is filled, and with how many listings.
const SHELVES: [(&str, Sort, i64); 3] =
    [("On soon", Sort::Soonest, 8), ("Price drops", Sort::PriceDrop, 4), ("Just listed", Sort::Newest, 8)];

/// What an address of an earlier release may carry.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct HomeQuery {
    /// What to search for, which is now done at /browse.
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    layout: Layout,
    kinds: Vec<Chip>,
    days: Vec<Chip>,
    /// Those that are not empty.
    shelves: Vec<Shelf>,
}

layout::page!(HomePage);

/// Some listings, and where there are more.
struct Shelf {
    /// For the page alone.
    id: &'static str,
    title: &'static str,
    /// Address of the whole list.
    all: String,
    /// With their versions.
    offers: Vec<(Offer, u64)>,
}

/// Ways into what is for sale, and some of it.
#[utoipa::path(get, path = "/", tag = "pages", params(HomeQuery),
    responses((status = 200, body = String, content_type = "text/html"),
        (status = 308, description = "The search is at /browse.")))]
pub(super) async fn home(
    State(state): State<AppState>,
    viewer: Viewer,
    query: Parameters<HomeQuery>,
) -> Result<Response, Error> {
    if !query.known.q.trim().is_empty() {
        let asked = Asked { q: query.known.q, ..Asked::default() };
        return Ok(Redirect::permanent(&asked.address()).into_response());
    }
    let now = state.clock.now();
    let model = state.model.live().await?;
    let shelves = SHELVES.into_iter().map(|(title, sort, count)| shelf(&state, &model, now, title, sort, count));
    let mut shelves = try_join_all(shelves).await?;
    shelves.retain(|shelf| !shelf.offers.is_empty());
    let layout = Layout::new("Tickets for sale", ABOUT, &viewer).at(format!("{}/", state.public_url));
    let layout = layout.saying(notice(&query.faults));
    let page = HomePage { layout, kinds: chips::kinds(), days: chips::days(now), shelves };
    layout::respond(StatusCode::OK, &page)
}

async fn shelf(
    state: &AppState,
    model: &Replicas,
    now: Timestamp,
    title: &'static str,
    sort: Sort,
    count: i64,
) -> Result<Shelf, Error> {
    let found = search(model, &state.model.vocabulary, &Filter::by(sort), now, count).await?;
    let all = Asked { sort: sort.name().to_owned(), ..Asked::default() };
    // What is soonest is what comes first anyway.
    let all = if sort == Sort::default() { Asked::default() } else { all };
    Ok(Shelf { id: sort.name(), title, all: all.address(), offers: offers(model, &found.tickets, now).await? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::offer::tests::sample;

    #[test]
    fn the_template_shows_what_it_is_given() {
        let ticket = sample();
        let now = ticket.created_at;
        let offer = Offer::new(&ticket, Some(&"Ana <i>".to_owned()), now);
        let shelf =
            Shelf { id: "newest", title: "Just <listed>", all: "/browse?a=b&c=d".to_owned(), offers: vec![(offer, 7)] };
        let layout = Layout::new("Tickets for sale", ABOUT, &Viewer::Guest).at("http://localhost:8080/".to_owned());
        let mut page = HomePage { layout, kinds: chips::kinds(), days: chips::days(now), shelves: vec![shelf] };
        let html = page.render().unwrap();
        for part in [
            "<title>Tickets for sale",
            "rel=\"canonical\" href=\"http://localhost:8080/\"",
            "href=\"/browse?category=comedy\">Comedy</a>",
            "href=\"/browse?from=2026-01-01&#38;to=2026-01-01\">Today</a>",
            "Just &#60;listed&#62;",
            "href=\"/browse?a=b&#38;c=d\"",
            "Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;",
            "Ana &#60;i&#62;",
            "data-version=\"7\"",
            "For sale",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert_eq!(html.matches("<h1").count(), 1);
        page.shelves.clear();
        assert!(page.render().unwrap().contains("Nothing is for sale at the moment"));
    }
}
