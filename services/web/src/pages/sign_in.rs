//! GET and POST /signin, POST /signout.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::api::tickets::ListingRules;
use common::api::users::{Credentials, Password, SignIn, SignOut};
use common::error::Error;
use common::text::Text;
use common::validate::fault;
use http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use validator::{Validate, ValidationError};

use super::failure::Failure;
use super::layout::{self, Layout, see_other};
use crate::domain::form::{self, Faults};
use crate::forms::{Fields, Posted, checked};
use crate::parameters::{Parameters, notice};
use crate::session::{Session, with_cookies};
use crate::state::AppState;
use crate::viewer::Viewer;

/// Where to go afterwards.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NextQuery {
    /// A path of this site.
    #[serde(default)]
    #[validate(custom(function = "is_ours"))]
    pub next: String,
}

fn is_ours(next: &str) -> Result<(), ValidationError> {
    if next.is_empty() || form::next(next) == next {
        Ok(())
    } else {
        Err(fault("elsewhere", "must be a path of this site"))
    }
}

/// What was typed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct SignInForm {
    email: String,
    password: String,
    next: String,
}

impl Fields for SignInForm {
    type Request = Credentials;

    fn request(&self, _: &ListingRules) -> Result<Credentials, Faults> {
        let body = Credentials { email: Text::new(&self.email), password: Password::new(&self.password) };
        checked(body, field)
    }
}

/// The field of the form that one of the API is.
fn field(api: &str) -> Option<&'static str> {
    ["email", "password"].into_iter().find(|name| *name == api)
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    layout: Layout,
    email: String,
    next: String,
    faults: Faults,
    /// Whether it came in place of the page that was asked for.
    is_asked: bool,
}

layout::page!(SignInPage);

fn page(viewer: &Viewer, email: String, next: &str, faults: Faults, is_asked: bool) -> SignInPage {
    let layout = Layout::new("Sign in", "Sign in to buy and sell tickets.", viewer);
    SignInPage { layout, email, next: form::next(next).to_owned(), faults, is_asked }
}

/// The form in place of a page for those who are signed in.
pub fn ask(next: &str) -> Response {
    let page = page(&Viewer::Guest, String::new(), next, Faults::default(), true);
    layout::respond(StatusCode::UNAUTHORIZED, &page).unwrap_or_else(IntoResponse::into_response)
}

/// Sign in.
#[utoipa::path(get, path = "/signin", tag = "pages", params(NextQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn sign_in_form(viewer: Viewer, query: Parameters<NextQuery>) -> Result<Response, Error> {
    let mut page = page(&viewer, String::new(), &query.known.next, Faults::default(), false);
    page.layout = page.layout.saying(notice(&query.faults));
    layout::respond(StatusCode::OK, &page)
}

/// Take what was typed.
#[utoipa::path(post, path = "/signin", tag = "pages",
    responses((status = 303, description = "Signed in."), (status = 401, body = String, content_type = "text/html")))]
pub(super) async fn sign_in(
    State(state): State<AppState>,
    viewer: Viewer,
    session: Session,
    Posted { form, request }: Posted<SignInForm>,
) -> Result<Response, Failure> {
    let body = match request {
        Ok(body) => body,
        Err(faults) => {
            let page = page(&viewer, form.email, &form.next, faults, false);
            return Ok(layout::respond(StatusCode::BAD_REQUEST, &page)?);
        }
    };
    match state.calls.send(&SignIn { body }, &session).await {
        Ok(answer) => Ok(with_cookies(see_other(form::next(&form.next)), answer.cookies)),
        Err(refused) if refused.status().is_client_error() => {
            let detail = match refused.status() {
                StatusCode::TOO_MANY_REQUESTS => "Too many tries. Wait a little, then try again.",
                _ => refused.problem.detail.as_str(),
            };
            let faults = Faults::from_problem(&refused.problem.errors, detail, field);
            let mut response =
                layout::respond(refused.status(), &page(&viewer, form.email, &form.next, faults, false))?;
            if let Some(after) = refused.retry_after {
                response.headers_mut().insert(http::header::RETRY_AFTER, after);
            }
            Ok(response)
        }
        Err(refused) => Err(refused.into()),
    }
}

/// Sign out on this device.
#[utoipa::path(post, path = "/signout", tag = "pages", responses((status = 303, description = "Signed out.")))]
pub(super) async fn sign_out(State(state): State<AppState>, session: Session) -> Result<Response, Failure> {
    let answer = state.calls.send(&SignOut {}, &session).await?;
    Ok(with_cookies(see_other("/"), answer.cookies))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_keeps_what_was_typed_but_no_password() {
        let mut faults = Faults::default();
        faults.add("", "wrong <address> or password");
        let html = page(&Viewer::Guest, "a\"@b".to_owned(), "/orders", faults, true).render().unwrap();
        for part in
            ["value=\"a&#34;@b\"", "Wrong &#60;address&#62; or password.", "value=\"/orders\"", "type=\"password\""]
        {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        let html = page(&Viewer::Guest, String::new(), "//evil", Faults::default(), false).render().unwrap();
        assert!(!html.contains("evil"), "{html}");
    }
}
