//! The error page outside `/api/`.

use askama::Template;
use axum::response::{IntoResponse, Response};
use common::problem::Problem;
use http::{StatusCode, header};

use super::layout::{self, Layout, with_retry_after};
use super::sign_in;
use crate::client_context::with_cookies;
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
    /// Whether the request may succeed later.
    is_transient: bool,
}

/// Renders an error for a browser; it shows nothing that the API would not.
pub(crate) fn page(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let page = ErrorPage {
        layout: Layout::anonymous(&problem.title, &problem.detail),
        problem,
        is_transient: matches!(problem.status, 408 | 429 | 503 | 504),
    };
    layout::respond(status, &page.layout, &page).unwrap_or_else(|_| {
        // A template that fails to render must not hide the original error.
        (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], problem.title.clone()).into_response()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::error::{Error, Rejection};

    use super::*;

    #[test]
    fn template_shows_every_kind_of_error() {
        let rejection = || Rejection::new("code", "Because <of> this.");
        for (error, expected) in [
            (Error::field("q", "must be <short>"), false),
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
            let is_transient = matches!(problem.status, 408 | 429 | 503 | 504);
            assert_eq!(is_transient, expected, "{error}");
            let layout = Layout::anonymous(&problem.title, &problem.detail);
            let html = ErrorPage { layout, problem: &problem, is_transient }.render().unwrap();
            assert!(html.contains(&problem.title) && html.contains("the-request"), "{html}");
            assert!(!html.contains("<of>") && !html.contains("<short>") && !html.contains("a secret"), "{html}");
            assert_eq!(html.contains("in a moment"), expected, "{html}");
            assert!(html.contains("content=\"noindex\""), "{html}");
        }
    }
}
