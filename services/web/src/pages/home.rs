//! GET /: the home page: links to searches, and a selection of shows.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use common::error::Error;
use common::timestamp::Timestamp;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use super::layout::{self, Layout};
use crate::domain::chips::{self, Chip};
use crate::domain::filter::{Filter, SearchParams};
use crate::domain::offer::ShowOffer;
use crate::domain::period::ShowDays;
use crate::domain::show_view::ShowView;
use crate::domain::sort::Sort;
use crate::i18n::msg;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::state::AppState;
use crate::store::model::Replicas;
use crate::store::offers;
use crate::store::search::search;
use crate::viewer::Viewer;

/// Maximum number of shows in a selection.
const SELECTION_LENGTH: i64 = 8;
/// Maximum number of shows in the selection of price drops.
const MAX_PRICE_DROPS: i64 = 4;

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
    /// The selections that are not empty.
    selections: Vec<Selection>,
}

/// A titled selection of shows on the home page.
struct Selection {
    id: &'static str,
    title: String,
    /// URL path of the search that finds all of them; `None` if there is no such search.
    all: Option<String>,
    shows: Vec<ShowView>,
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
    let (soonest, drops, newest) = tokio::try_join!(
        first_shows(&state, &model, now, Sort::Soonest),
        price_drops(&model, now),
        first_shows(&state, &model, now, Sort::Newest),
    )?;
    let has_more = i64::try_from(soonest.len()).is_ok_and(|count| count >= SELECTION_LENGTH);
    let starts = soonest.iter().map(|found| (found.show.starts_at, found.show.time_zone.as_str()));
    let known = ShowDays::new(starts, has_more, now);
    let mut selections = vec![
        selection(&soonest, now, msg::home_coming_up(), Sort::Soonest),
        drops,
        selection(&newest, now, msg::home_just_added(), Sort::Newest),
    ];
    selections.retain(|selection| !selection.shows.is_empty());
    let mut layout = Layout::new(msg::home_title(), msg::layout_description(), &viewer);
    layout.canonical = Some(format!("{}/", state.public_url));
    layout.notice = rejected_parameters_message(&query.rejected);
    let page = HomePage { layout, categories: chips::category_chips(), dates: chips::date_chips(&known), selections };
    layout::respond(StatusCode::OK, &page.layout, &page)
}

async fn first_shows(state: &AppState, model: &Replicas, now: Timestamp, sort: Sort) -> Result<Vec<ShowOffer>, Error> {
    let found = search(model, &state.model.vocabulary, &Filter::sorted_by(sort), now, SELECTION_LENGTH).await?;
    Ok(found.shows)
}

fn selection(found: &[ShowOffer], now: Timestamp, title: String, sort: Sort) -> Selection {
    // The default order needs no parameter.
    let given = (sort != Sort::default()).then_some(sort);
    let all = Some(SearchParams { sort: given, ..SearchParams::default() }.address());
    let shows = found.iter().map(|found| ShowView::new(found, now)).collect();
    Selection { id: sort.name(), title, all, shows }
}

async fn price_drops(model: &Replicas, now: Timestamp) -> Result<Selection, Error> {
    let found = offers::price_drops(model, now, MAX_PRICE_DROPS).await?;
    let shows = found.iter().map(|(ticket, show)| ShowView::new(show, now).with_drop(ticket)).collect();
    Ok(Selection { id: "drops", title: msg::home_price_drops(), all: None, shows })
}

#[cfg(test)]
mod tests {
    use common::events::ticket::PriceDrop;
    use common::money::Money;

    use super::*;
    use crate::domain::seats;
    use crate::domain::show_view::tests::sample;
    use crate::i18n::testing::{assert_texts, in_german};

    fn page() -> HomePage {
        let found = sample();
        let mut ticket = seats::tests::sample();
        let from = Money { amount: 15_000, ..ticket.price.clone() };
        ticket.price_drop = Some(PriceDrop { from, at: ticket.created_at });
        let show = ShowView::new(&found, found.show.created_at).with_drop(&ticket);
        let all = Some("/browse?a=b&c=d".to_owned());
        let selection = Selection { id: "newest", title: "<Added>".to_owned(), all, shows: vec![show] };
        let mut layout = Layout::new(msg::home_title(), msg::layout_description(), &Viewer::Guest);
        layout.canonical = Some("http://localhost:8080/".to_owned());
        HomePage {
            layout,
            categories: chips::category_chips(),
            dates: chips::date_chips(&ShowDays::new(std::iter::empty(), true, found.show.created_at)),
            selections: vec![selection],
        }
    }

    #[test]
    fn template_shows_its_values() {
        let mut page = page();
        let path = page.selections[0].shows[0].path.clone();
        let html = page.render().unwrap();
        for part in [
            "<title>Tickets for sale",
            "rel=\"canonical\" href=\"http://localhost:8080/\"",
            "href=\"/browse?category=comedy\">Comedy</a>",
            "href=\"/browse?when=today\">Today</a>",
            "&#60;Added&#62;",
            "href=\"/browse?a=b&#38;c=d\"",
            "Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;",
            "€46.00 or $50.00",
            "37 left",
            "A price dropped to $125.50 · was <s class=\"was\">$150.00</s>",
            "data-version=\"1767225600000\"",
            &format!("href=\"{path}\""),
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert_eq!(html.matches("<h1").count(), 1);
        page.selections.clear();
        assert!(page.render().unwrap().contains("No tickets are for sale right now"));
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let html = in_german(|| {
            let mut page = page();
            let found = page.render().unwrap();
            page.selections.clear();
            found + &page.render().unwrap()
        });
        assert_texts(
            &html,
            &[
                "<h1>Tickets von Leuten",
                ">Morgen</a>",
                ">Alle ansehen</a>",
                "46,00\u{a0}€ oder 50,00\u{a0}$",
                "Ein Preis ist auf 125,50\u{a0}$ gesunken · vorher <s class=\"was\">150,00\u{a0}$</s>",
                "Gerade werden keine Tickets angeboten.",
            ],
            [">Search<", "Browse", "See all", "Today", "This weekend", "dropped", "· was", "left<", "from<", "Sell "],
        );
    }
}
