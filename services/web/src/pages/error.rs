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
use crate::i18n::reader::Reader;
use crate::page_error::PageError;
use crate::viewer::Viewer;

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
        // Without the name and what is unread: the page must not need the database.
        let viewer = Reader::current().user.map(|id| Viewer::User { id, name: None, unread: 0, hold: None });
        let layout = Layout { viewer, ..Layout::anonymous(&title, &detail) };
        Self { layout, problem, title, detail, is_transient }
    }
}

/// Renders an error for a browser; it shows nothing that the API would not. Fields are not named: a page sent them, and
/// nobody typed them.
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
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::time::Duration;
    use std::{fs, io};

    use common::error::{Error, Rejection};
    use common::id::UserId;
    use common::money::Money;
    use common::problem::Params;

    use super::*;
    use crate::i18n::testing::{assert_texts, in_german};

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
            assert_eq!(html.contains("role=\"search\""), error.status() == StatusCode::NOT_FOUND, "{html}");
            assert!(html.contains("content=\"noindex\""), "{html}");
        }
    }

    #[test]
    fn signed_in_user_keeps_the_header() {
        let render = || ErrorPage::new(&Error::NotFound.problem()).render().unwrap();
        let html = Reader { user: Some(UserId::new()), ..Reader::default() }.scope(render);
        for part in ["href=\"/account\">Account</a>", "href=\"/orders\"", "id=\"bell\" data-unread=\"0\""] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        let html = render();
        assert!(!html.contains("/account") && !html.contains("/signin"), "whether it is a guest is not known: {html}");
    }

    #[test]
    fn page_is_german_for_german_readers() {
        let render = |error: &Error| in_german(|| ErrorPage::new(&error.problem()).render().unwrap());
        let html = render(&Error::Unavailable(None));
        let german = [
            "<h1>Das geht gerade nicht</h1>",
            "Versuche es gleich noch einmal.",
            "Lade die Seite gleich neu.",
            "Fehler 503",
        ];
        let english = ["Error 4", "Error 5", "Reload", "Browse shows", "Nothing has been lost"];
        assert_texts(&html, &german, english);
        let html = render(&Error::Forbidden(Rejection::new("unheard-of", "No entry.")));
        assert_texts(&html, &["<h1>Das darfst du nicht</h1>"], ["No entry"]);
        for error in [Error::NotFound, Error::PreconditionFailed, Error::TimedOut, Error::internal_message("a secret")]
        {
            assert_texts(&render(&error), &["Fehler ", ">Veranstaltungen entdecken</a>"], english);
        }
    }

    /// Adds the problem codes in the sources below a folder. Where a call has no literal code, because the code was
    /// chosen earlier, all string literals in kebab case in its file are taken for codes.
    fn collect_codes(folder: &Path, codes: &mut BTreeSet<String>) -> io::Result<()> {
        let is_code = |text: &&str| {
            let is_letter = |letter: char| letter.is_ascii_lowercase() || letter == '-';
            text.contains('-') && text.chars().all(is_letter) && !text.starts_with('-') && !text.ends_with('-')
        };
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                collect_codes(&path, codes)?;
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.ends_with(".rs") || name.ends_with("tests.rs") {
                continue;
            }
            let source = fs::read_to_string(&path)?;
            let source = source.split("#[cfg(test)]").next().unwrap_or_default();
            for call in ["Rejection::new(", "Error::conflict(", "Self::conflict("] {
                for arguments in source.split(call).skip(1).map(str::trim_start) {
                    match arguments.strip_prefix('"') {
                        Some(literal) => codes.extend(literal.split('"').next().map(str::to_owned)),
                        None => codes.extend(source.split('"').filter(is_code).map(str::to_owned)),
                    }
                }
            }
        }
        Ok(())
    }

    #[test]
    fn every_code_of_a_service_has_a_text_in_every_language() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut codes = BTreeSet::new();
        for source in
            ["services/auth", "services/orders", "services/payments", "services/tickets", "services/expiration"]
        {
            collect_codes(&root.join(source).join("src"), &mut codes).unwrap();
        }
        for source in ["crates/common", "crates/platform"] {
            collect_codes(&root.join(source).join("src"), &mut codes).unwrap();
        }
        for known in ["card-declined", "over-cap", "ticket-taken", "too-many-holds", "not-found", "in-flight"] {
            assert!(codes.contains(known), "{known} is not in {codes:?}");
        }
        let usd = Money { amount: 5_500, currency: "USD".parse().unwrap() };
        let params = Params::from(&usd).with("percent", 10).with("seat", "12").with("retryAfter", 90);
        for code in codes {
            let kind = format!("urn:ticketing:problem:{code}");
            let unknown = "In other words.".to_owned();
            let problem = Problem { kind, detail: unknown, params: params.clone(), ..Error::NotFound.problem() };
            let english = problem_text::detail(&problem);
            assert_ne!(english, problem.detail, "{code} has no text");
            assert!(!english.contains('\'') && !english.contains('{'), "{code}: {english}");
            let german = in_german(|| problem_text::detail(&problem));
            assert!(german != english && german != problem.detail && !german.contains('{'), "{code}: {german}");
        }
    }
}
