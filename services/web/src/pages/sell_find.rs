//! GET /sell: finds the show that a ticket is for.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use super::layout::{self, Layout, with_parameters};
use super::sell_draft::form_path;
use crate::domain::filter::Filter;
use crate::domain::search::query_words;
use crate::domain::show_view::ShowView;
use crate::i18n::msg;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::page_error::PageError;
use crate::state::AppState;
use crate::store::drafts::DraftId;
use crate::store::search::search;
use crate::viewer::Viewer;

/// Maximum number of suggested shows.
const MAX_SUGGESTIONS: i64 = 12;

#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FindQuery {
    /// Words of the title, venue or city.
    #[serde(default)]
    #[validate(length(max = 200))]
    #[param(max_length = 200)]
    q: String,
    /// The draft whose show is to be another one.
    #[serde(default)]
    #[validate(length(max = 40))]
    #[param(max_length = 40)]
    draft: String,
}

#[derive(Template)]
#[template(path = "sell_find.html")]
struct FindPage {
    layout: Layout,
    q: String,
    /// Id of the draft whose show is to be another one; empty for a new listing.
    draft: String,
    /// The corrected search words, if the original ones found nothing.
    corrected: Option<String>,
    shows: Vec<ShowView>,
    /// URL path of the form.
    form: String,
    /// URL path of the form for a show that is not known.
    unknown: String,
}

/// Find the show that a ticket is for.
#[utoipa::path(get, path = "/sell", tag = "pages", params(FindQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn find(
    State(state): State<AppState>,
    viewer: Viewer,
    query: LenientQuery<FindQuery>,
) -> Result<Response, PageError> {
    let q = query.value.q.trim().to_owned();
    let draft = DraftId::parse(&query.value.draft);
    let form = draft.as_ref().map_or_else(|| "/sell/new".to_owned(), form_path);
    let draft = draft.map(|id| id.to_string()).unwrap_or_default();
    viewer.require_user(with_parameters("/sell", &[("q", &q), ("draft", &draft)]))?;
    let (mut shows, mut corrected) = (Vec::new(), None);
    if !q.is_empty() {
        let now = state.clock.now();
        // Also shows without a ticket, but none that is cancelled.
        let filter = Filter { words: Some(query_words(&q)), include_unavailable: true, ..Filter::default() };
        let model = state.model.live().await?;
        let found = search(&model, &state.model.vocabulary, &filter, now, MAX_SUGGESTIONS).await?;
        shows = found.shows.iter().map(|found| ShowView::new(found, now)).collect();
        corrected = found.corrected;
    }
    let unknown = with_parameters(&form, &[("title", &q)]);
    let mut layout = Layout::new(msg::sell_title(), msg::sell_find_description(), &viewer);
    layout.notice = rejected_parameters_message(&query.rejected);
    let page = FindPage { layout, q, draft, corrected, shows, form, unknown };
    Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::show_view::tests::sample;
    use crate::i18n::testing::{assert_texts, in_german};

    #[test]
    fn template_suggests_shows_and_another_one() {
        let found = sample();
        let show = ShowView::new(&found, found.show.created_at);
        let mut page = FindPage {
            layout: Layout::new("Sell a ticket", "About", &Viewer::Guest),
            q: "ja\"z".to_owned(),
            draft: String::new(),
            corrected: Some("ja<zz".to_owned()),
            shows: vec![show],
            form: "/sell/new".to_owned(),
            unknown: "/sell/new?title=ja%22z".to_owned(),
        };
        let html = page.render().unwrap();
        for part in [
            "value=\"ja&#34;z\"",
            "Showing “ja&#60;zz”",
            &format!("href=\"/sell/new?show={}\"", found.show.id),
            "Jazz &#38; &#60;b&#62;Blues&#60;/b&#62;",
            "Mon, Jun 1, 2099",
            "1 show</h2>",
            "<p><a class=\"btn btn-outline-primary\" href=\"/sell/new?title=ja%22z\"",
            "<p class=\"alert\">No fees for you or the buyer. Payouts to sellers are not available yet.</p>",
            ">Search</button>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        page.shows.clear();
        page.corrected = None;
        assert!(page.render().unwrap().contains("No matching shows"));
        page.q.clear();
        page.draft = "a".to_owned();
        let html = page.render().unwrap();
        assert!(!html.contains("No matching shows") && html.contains("Enter the show’s details"), "{html}");
        assert!(html.contains("name=\"draft\" value=\"a\"") && html.contains("are saved"), "{html}");
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let found = sample();
        let render = |corrected: Option<&str>, has_show: bool| {
            let page = FindPage {
                layout: Layout::new(msg::sell_title(), msg::sell_find_description(), &Viewer::Guest),
                q: "jaz".to_owned(),
                draft: "a".to_owned(),
                corrected: corrected.map(str::to_owned),
                shows: has_show.then(|| ShowView::new(&found, found.show.created_at)).into_iter().collect(),
                form: "/sell/new".to_owned(),
                unknown: "/sell/new".to_owned(),
            };
            page.render().unwrap()
        };
        let html = in_german(|| [render(Some("jazz"), true), render(None, false)].concat());
        let english = "Sell a|Payouts|Search<|saved|Which|Find |Showing| show<|matching|You can|Not the|Enter";
        assert_texts(
            &html,
            &[
                "<h1>Ticket verkaufen</h1>",
                "Auszahlungen sind noch nicht möglich.",
                ">Suchen</button>",
                "Deine Angaben zum Ticket sind gespeichert.",
                ">1 Veranstaltung</h2>",
                "Keine Treffer für „jaz“. Stattdessen siehst du Treffer für „jazz“.",
                "Keine passenden Veranstaltungen",
                "46,00\u{a0}€",
                ">Veranstaltung selbst eingeben</a>",
            ],
            english.split('|'),
        );
    }
}
