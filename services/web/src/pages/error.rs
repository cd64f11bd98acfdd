//! The error page outside `/api/`.

use askama::Template;
use axum::response::{IntoResponse, Response};
use common::problem::Problem;
use http::{StatusCode, header};

use super::layout::{self, Layout, with_retry_after};
use super::sign_in;
use crate::client_context::with_cookies;
use crate::domain::problem_text;
use crate::i18n::msg;
use crate::page_error::PageError;

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        match self {
            Self::Internal(error) => error.into_response(),
            Self::Upstream(error) => {
                with_cookies(with_retry_after(page(&error.problem), error.retry_after), error.cookies)
            }
            Self::SignInRequired(path) => sign_in::sign_in_required(&path),
        }
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    layout: Layout,
    problem: &'a Problem,
    title: String,
    detail: String,
    /// Whether the request may succeed later.
    is_transient: bool,
}

impl<'a> ErrorPage<'a> {
    fn new(problem: &'a Problem) -> Self {
        let (title, detail) = (problem_text::title(problem), problem_text::detail(problem));
        let is_transient = matches!(problem.status, 408 | 429 | 503 | 504);
        Self { layout: Layout::anonymous(&title, &detail), problem, title, detail, is_transient }
    }
}

/// Renders an error for a browser; it shows nothing that the API would not. The fields of a request that a page has sent
/// by itself are not named: nobody typed them.
pub(crate) fn page(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let page = ErrorPage::new(problem);
    layout::respond(status, &page.layout, &page).unwrap_or_else(|_| {
        // A template that fails to render must not hide the original error.
        (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], page.title.clone()).into_response()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::error::{Error, Rejection};

    use super::*;
    use crate::i18n::reader::{Locale, Reader};

    #[test]
    fn template_shows_every_kind_of_error() {
        let rejection = || Rejection::new("code", "Because <of> this.");
        for (error, expected) in [
            (Error::field("fieldName", "must be <short>"), false),
            (Error::PreconditionFailed, false),
            (Error::Unauthenticated(rejection()), false),
            (Error::Forbidden(rejection()), false),
            (Error::NotFound, false),
            (Error::MethodNotAllowed, false),
            (Error::TooLarge, false),
            (Error::HeadersTooLarge, false),
            (Error::RateLimited(Duration::from_secs(3)), true),
            (Error::internal_message("a secret"), false),
            (Error::Unavailable(None), true),
            (Error::NotReady(rejection()), true),
            (Error::TimedOut, true),
        ] {
            let mut problem = error.problem();
            problem.instance = "the-request".to_owned();
            let response = page(&problem);
            assert_eq!(response.status(), error.status());
            let page = ErrorPage::new(&problem);
            assert_eq!(page.is_transient, expected, "{error}");
            let html = page.render().unwrap();
            assert!(html.contains(&format!("<h1>{}</h1>", page.title)) && html.contains("the-request"), "{html}");
            for hidden in ["<of>", "fieldName", "short&#62;", "a secret", "ETag", " entity", "The body"] {
                assert!(!html.contains(hidden), "{hidden} is in {html}");
            }
            assert_eq!(html.contains("Nothing has been lost"), expected, "{html}");
            assert!(html.contains("content=\"noindex\""), "{html}");
        }
    }

    #[test]
    fn page_is_german_for_german_readers() {
        let german = Reader { locale: Locale::De, ..Reader::default() };
        let render = |error: &Error| german.clone().scope(|| ErrorPage::new(&error.problem()).render().unwrap());
        let html = render(&Error::Unavailable(None));
        for part in [
            "<h1>Das geht gerade nicht</h1>",
            "Versuch es gleich noch einmal.",
            "Lade die Seite gleich neu.",
            "Fehler 503",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        let html = render(&Error::Forbidden(Rejection::new("unheard-of", "No entry.")));
        assert!(html.contains("<h1>Das darfst du nicht</h1>") && !html.contains("No entry"), "{html}");
        let english = ["Error 4", "Error 5", "Reload", "Browse shows", "Nothing has been lost"];
        for error in [Error::NotFound, Error::PreconditionFailed, Error::TimedOut, Error::internal_message("a secret")]
        {
            let html = render(&error);
            assert!(english.iter().all(|text| !html.contains(text)), "{html}");
        }
    }
}
