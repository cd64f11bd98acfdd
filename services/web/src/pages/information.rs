//! GET /help, /terms, /privacy and /imprint: pages about the shop. Their texts are long, so each language has templates
//! of its own.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use common::error::Error;
use http::StatusCode;

use super::layout::{self, Layout};
use crate::config::Operator;
use crate::i18n::reader::{Language, language};
use crate::state::AppState;
use crate::viewer::Viewer;

/// A page about the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    Help,
    Terms,
    Privacy,
    Imprint,
}

impl Page {
    pub(super) const ALL: [Self; 4] = [Self::Help, Self::Terms, Self::Privacy, Self::Imprint];

    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Help => "/help",
            Self::Terms => "/terms",
            Self::Privacy => "/privacy",
            Self::Imprint => "/imprint",
        }
    }

    /// The title, and what the page is about.
    const fn summary(self, language: Language) -> (&'static str, &'static str) {
        match (self, language) {
            (Self::Help, Language::English) => ("Help", "How buying, selling, holds, passes and refunds work."),
            (Self::Help, Language::German) => {
                ("Hilfe", "So funktionieren Kaufen, Verkaufen, Reservierungen, Einlasscodes und Erstattungen.")
            }
            (Self::Terms, Language::English) => ("Terms of use", "What applies to buyers and sellers."),
            (Self::Terms, Language::German) => {
                ("Nutzungsbedingungen", "Was für Käuferinnen, Käufer, Verkäuferinnen und Verkäufer gilt.")
            }
            (Self::Privacy, Language::English) => ("Privacy", "What we store about you, why, and for how long."),
            (Self::Privacy, Language::German) => ("Datenschutz", "Was wir über dich speichern, wozu und wie lange."),
            (Self::Imprint, Language::English) => ("Imprint", "Who operates this marketplace."),
            (Self::Imprint, Language::German) => ("Impressum", "Wer diesen Marktplatz betreibt."),
        }
    }
}

#[derive(Template)]
#[template(path = "information.html")]
struct InformationPage {
    layout: Layout,
    page: Page,
    language: Language,
    title: &'static str,
    operator: Operator,
}

/// Show how buying and selling work.
#[utoipa::path(get, path = "/help", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn help(State(state): State<AppState>, viewer: Viewer) -> Result<Response, Error> {
    respond(&state, &viewer, Page::Help)
}

/// Show the terms of use.
#[utoipa::path(get, path = "/terms", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn terms(State(state): State<AppState>, viewer: Viewer) -> Result<Response, Error> {
    respond(&state, &viewer, Page::Terms)
}

/// Show what is stored about users.
#[utoipa::path(get, path = "/privacy", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn privacy(State(state): State<AppState>, viewer: Viewer) -> Result<Response, Error> {
    respond(&state, &viewer, Page::Privacy)
}

/// Show who operates the shop.
#[utoipa::path(get, path = "/imprint", tag = "pages",
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn imprint(State(state): State<AppState>, viewer: Viewer) -> Result<Response, Error> {
    respond(&state, &viewer, Page::Imprint)
}

fn respond(state: &AppState, viewer: &Viewer, page: Page) -> Result<Response, Error> {
    let language = language();
    let (title, description) = page.summary(language);
    let layout = Layout {
        canonical: Some(format!("{}{}", state.public_url, page.path())),
        ..Layout::new(title, description, viewer).leading_to(page.path())
    };
    let page = InformationPage { layout, page, language, title, operator: state.config.operator.clone() };
    layout::respond(StatusCode::OK, &page.layout, &page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::testing::assert_texts;

    /// The page without the layout, which is English in this test.
    fn article(html: &str) -> &str {
        html.split_once("<article").unwrap().1.split_once("</article>").unwrap().0
    }

    #[test]
    fn both_languages_have_the_same_sections() {
        let operator = Operator {
            name: "Ana <Ltd>".to_owned(),
            address: "1 High Street".to_owned(),
            email: "ana@example.com".to_owned(),
        };
        for page in Page::ALL {
            let [english, german] = Language::ALL.map(|language| {
                let (title, description) = page.summary(language);
                let layout = Layout::new(title, description, &Viewer::Guest);
                let operator = operator.clone();
                InformationPage { layout, page, language, title, operator }.render().unwrap()
            });
            assert_texts(article(&english), &[" the "], [" und "]);
            assert_texts(article(&german), &[" und "], [" the "]);
            for tag in ["<h1", "<h2", "<li", "<mark", "href=\""] {
                assert_eq!(english.matches(tag).count(), german.matches(tag).count(), "{tag} of {page:?}");
            }
            assert!(!german.contains("Ana <"), "{german}");
        }
    }
}
