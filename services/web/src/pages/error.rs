//! The page of every error outside `/api/`, and what a browser is answered when a page can't be shown.

use askama::Template;
use axum::response::{IntoResponse, Response};
use common::problem::Problem;
use http::{StatusCode, header};

use super::failure::Failure;
use super::layout::{self, Layout};
use super::sign_in;
use crate::calls::Refused;
use crate::session::with_cookies;

layout::page!(ErrorPage<'_>);

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    layout: Layout,
    problem: &'a Problem,
    /// Whether asking again may help.
    is_passing: bool,
}

/// Renders an error for a browser; nothing is in it that the API would not say.
pub fn page(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let page = ErrorPage {
        layout: Layout::nobodys(&problem.title, &problem.detail),
        problem,
        is_passing: matches!(problem.status, 408 | 429 | 503 | 504),
    };
    layout::respond(status, &page).unwrap_or_else(|_| {
        // A template that can't be rendered must not hide the error that it was to show.
        (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], problem.title.clone()).into_response()
    })
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = page(&self.problem);
        if let Some(after) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        with_cookies(response, self.cookies)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Ours(error) => error.into_response(),
            Self::Theirs(refused) => refused.into_response(),
            Self::SignIn(next) => sign_in::ask(&next),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use common::error::{Error, Rejection};

    use super::*;

    #[test]
    fn the_template_shows_every_kind_of_error() {
        let refusal = || Rejection::new("code", "Because <of> this.");
        for (error, passing) in [
            (Error::field("q", "must be <short>"), false),
            (Error::Unauthenticated(refusal()), false),
            (Error::Forbidden(refusal()), false),
            (Error::NotFound, false),
            (Error::MethodNotAllowed, false),
            (Error::TooLarge, false),
            (Error::HeadersTooLarge, false),
            (Error::RateLimited(Duration::from_secs(3)), true),
            (Error::internal_message("a secret"), false),
            (Error::Unavailable(None), true),
            (Error::NotReady(refusal()), true),
            (Error::TimedOut, true),
        ] {
            let mut problem = error.problem();
            problem.instance = "the-request".to_owned();
            let response = page(&problem);
            assert_eq!(response.status(), error.status());
            let is_passing = matches!(problem.status, 408 | 429 | 503 | 504);
            assert_eq!(is_passing, passing, "{error}");
            let layout = Layout::nobodys(&problem.title, &problem.detail);
            let html = ErrorPage { layout, problem: &problem, is_passing }.render().unwrap();
            assert!(html.contains(&problem.title) && html.contains("the-request"), "{html}");
            assert!(!html.contains("<of>") && !html.contains("<short>") && !html.contains("a secret"), "{html}");
            assert_eq!(html.contains("in a moment"), passing, "{html}");
            assert!(html.contains("content=\"noindex\""), "{html}");
        }
    }
}
