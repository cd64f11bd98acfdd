//! GET /: the home page: links to searches, and a selection of listings.

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

use super::browse::{META_DESCRIPTION, listing_views};
use super::layout::{self, Layout};
use crate::domain::chips::{self, Chip};
use crate::domain::filter::{Filter, SearchParams};
use crate::domain::listing_view::ListingView;
use crate::domain::sort::Sort;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::state::AppState;
use crate::store::model::Replicas;
use crate::store::search::search;
use crate::viewer::Viewer;

/// The shelves: title, sort order and number of listings.
const SHELVES: [(&str, Sort, i64); 3] =
    [("On soon", Sort::Soonest, 8), ("Price drops", Sort::PriceDrop, 4), ("Just listed", Sort::Newest, 8)];

/// The query of a legacy search URL.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HomeQuery {
    /// Search words; the search is at /browse now.
    #[serde(default)]
    #[validate(length(max = 200))]
    #[param(max_length = 200)]
    q: String,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    layout: Layout,
    categories: Vec<Chip>,
    dates: Vec<Chip>,
    /// The shelves that are not empty.
    shelves: Vec<Shelf>,
}

/// A selection of listings with a link to more.
struct Shelf {
    id: &'static str,
    title: &'static str,
    /// URL path of the whole list.
    all: String,
    /// The listings, with their versions.
    listings: Vec<(ListingView, u64)>,
}

/// Show the home page.
#[utoipa::path(get, path = "/", tag = "pages", params(HomeQuery),
    responses((status = 200, body = String, content_type = "text/html"),
        (status = 308, description = "The search is at /browse.")))]
pub(super) async fn home(
    State(state): State<AppState>,
    viewer: Viewer,
    query: LenientQuery<HomeQuery>,
) -> Result<Response, Error> {
    if !query.value.q.trim().is_empty() {
        let params = SearchParams { q: query.value.q, ..SearchParams::default() };
        return Ok(Redirect::permanent(&params.address()).into_response());
    }
    let now = state.clock.now();
    let model = state.model.live().await?;
    let shelves = SHELVES.into_iter().map(|(title, sort, count)| shelf(&state, &model, now, title, sort, count));
    let mut shelves = try_join_all(shelves).await?;
    shelves.retain(|shelf| !shelf.listings.is_empty());
    let mut layout = Layout::new("Tickets for sale", META_DESCRIPTION, &viewer);
    layout.canonical = Some(format!("{}/", state.public_url));
    layout.notice = rejected_parameters_message(&query.rejected);
    let page = HomePage { layout, categories: chips::category_chips(), dates: chips::date_chips(now), shelves };
    layout::respond(StatusCode::OK, &page.layout, &page)
}

async fn shelf(
    state: &AppState,
    model: &Replicas,
    now: Timestamp,
    title: &'static str,
    sort: Sort,
    count: i64,
) -> Result<Shelf, Error> {
    let found = search(model, &state.model.vocabulary, &Filter::sorted_by(sort), now, count).await?;
    // The default order needs no parameter.
    let given = (sort != Sort::default()).then_some(sort);
    let all = SearchParams { sort: given, ..SearchParams::default() }.address();
    Ok(Shelf { id: sort.name(), title, all, listings: listing_views(model, &found.tickets, now).await? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::listing_view::tests::sample;

    #[test]
    fn template_shows_its_values() {
        let ticket = sample();
        let now = ticket.created_at;
        let listing = ListingView::new(&ticket, Some(&"Ana <i>".to_owned()), now);
        let shelf = Shelf {
            id: "newest",
            title: "Just <listed>",
            all: "/browse?a=b&c=d".to_owned(),
            listings: vec![(listing, 7)],
        };
        let mut layout = Layout::new("Tickets for sale", META_DESCRIPTION, &Viewer::Guest);
        layout.canonical = Some("http://localhost:8080/".to_owned());
        let mut page = HomePage {
            layout,
            categories: chips::category_chips(),
            dates: chips::date_chips(now),
            shelves: vec![shelf],
        };
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
