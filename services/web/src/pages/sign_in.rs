//! GET and POST /signin, POST /signout.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::api::users::{Credentials, Password, SignIn, SignOut};
use common::error::Error;
use common::text::Text;
use common::validate::invalid;
use http::StatusCode;
use serde::Deserialize;
use utoipa::IntoParams;
use validator::{Validate, ValidationError};

use super::layout::{self, Layout, see_other, with_retry_after};
use super::{after_sign_in, hold_intention, sell_draft};
use crate::client_context::{ClientContext, with_cookies};
use crate::domain::form::{FormErrors, safe_redirect_path};
use crate::forms::{FormFields, SubmittedForm, validate_request};
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::page_error::PageError;
use crate::service_client::ServiceError;
use crate::state::AppState;
use crate::viewer::Viewer;

/// The query of the sign-in and sign-up pages.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NextQuery {
    /// Path on this site to go to afterwards.
    #[serde(default)]
    #[validate(custom(function = "validate_local_path"))]
    pub next: String,
}

fn validate_local_path(next: &str) -> Result<(), ValidationError> {
    if next.is_empty() || safe_redirect_path(next) == next {
        Ok(())
    } else {
        Err(invalid("elsewhere", "must be a path of this site"))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SignInForm {
    email: String,
    password: String,
    next: String,
}

impl FormFields for SignInForm {
    type Request = Credentials;

    fn request(&self) -> Result<Credentials, FormErrors> {
        let body = Credentials { email: Text::new(&self.email), password: Password::new(&self.password) };
        validate_request(body, field)
    }
}

fn field(api: &str) -> Option<&'static str> {
    ["email", "password"].into_iter().find(|name| *name == api)
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    layout: Layout,
    email: String,
    next: String,
    errors: FormErrors,
    /// Whether it is shown instead of a page that requires sign-in.
    replaces_page: bool,
    /// Whether a ticket is held afterwards.
    holds: bool,
    /// Whether what was typed about a listing is there afterwards.
    keeps_draft: bool,
}

fn page(viewer: &Viewer, email: String, next: &str, errors: FormErrors, replaces_page: bool) -> SignInPage {
    let layout = Layout::new("Sign in", "Sign in to buy and sell tickets.", viewer);
    let next = safe_redirect_path(next).to_owned();
    let (holds, keeps_draft) = (hold_intention::is_intended(&next), sell_draft::is_draft_path(&next));
    SignInPage { layout, email, next, errors, replaces_page, holds, keeps_draft }
}

/// The sign-in form, shown instead of a page that requires sign-in.
pub(super) fn sign_in_required(next: &str) -> Response {
    let page = page(&Viewer::Guest, String::new(), next, FormErrors::default(), true);
    layout::respond(StatusCode::UNAUTHORIZED, &page.layout, &page).unwrap_or_else(IntoResponse::into_response)
}

/// Show the sign-in form.
#[utoipa::path(get, path = "/signin", tag = "pages", params(NextQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn sign_in_form(viewer: Viewer, query: LenientQuery<NextQuery>) -> Result<Response, Error> {
    let mut page = page(&viewer, String::new(), &query.value.next, FormErrors::default(), false);
    page.layout.notice = rejected_parameters_message(&query.rejected);
    layout::respond(StatusCode::OK, &page.layout, &page)
}

/// Sign in.
#[utoipa::path(post, path = "/signin", tag = "pages",
    responses((status = 303, description = "Signed in."), (status = 401, body = String, content_type = "text/html")))]
pub(super) async fn sign_in(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    SubmittedForm { form, request }: SubmittedForm<SignInForm>,
) -> Result<Response, PageError> {
    let body = match request {
        Ok(body) => body,
        Err(errors) => {
            let page = page(&viewer, form.email, &form.next, errors, false);
            return Ok(layout::respond(StatusCode::BAD_REQUEST, &page.layout, &page)?);
        }
    };
    match state.services.send(&SignIn { body }, &client).await {
        Ok(response) => {
            Ok(after_sign_in::continue_to(&form.next, &state, client, response.body.id, response.cookies).await)
        }
        Err(error) if error.status().is_client_error() => {
            let page = page(&viewer, form.email, &form.next, credential_errors(&error, field), false);
            Ok(with_retry_after(layout::respond(error.status(), &page.layout, &page)?, error.retry_after))
        }
        Err(error) => Err(error.into()),
    }
}

/// The errors of a form that contains a password; after too many attempts, one about these instead.
pub(super) fn credential_errors(error: &ServiceError, field: impl Fn(&str) -> Option<&'static str>) -> FormErrors {
    match error.status() {
        StatusCode::TOO_MANY_REQUESTS => FormErrors::new("", "Too many attempts. Wait a moment, then try again."),
        _ => FormErrors::from_problem(&error.problem, field),
    }
}

/// Sign out on this device.
#[utoipa::path(post, path = "/signout", tag = "pages", responses((status = 303, description = "Signed out.")))]
pub(super) async fn sign_out(State(state): State<AppState>, client: ClientContext) -> Result<Response, PageError> {
    let response = state.services.send(&SignOut {}, &client).await?;
    Ok(with_cookies(see_other("/"), response.cookies))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_keeps_the_email_but_no_password() {
        let errors = FormErrors::new("", "wrong <address> or password");
        let html = page(&Viewer::Guest, "a\"@b".to_owned(), "/orders", errors, true).render().unwrap();
        for part in
            ["value=\"a&#34;@b\"", "Wrong &#60;address&#62; or password.", "value=\"/orders\"", "type=\"password\""]
        {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("hold the ticket for you"), "{html}");
        let hold = format!("/tickets/{}/hold?key=a", common::id::TicketId::new());
        let html = page(&Viewer::Guest, String::new(), &hold, FormErrors::default(), false).render().unwrap();
        assert!(html.contains("hold the ticket for you if it is still available"), "{html}");
        let draft = "/sell/drafts/a";
        let kept = page(&Viewer::Guest, String::new(), draft, FormErrors::default(), false).render().unwrap();
        assert!(kept.contains("Your details are saved") && !html.contains("Your details are saved"), "{kept}");
        let html = page(&Viewer::Guest, String::new(), "//evil", FormErrors::default(), false).render().unwrap();
        assert!(!html.contains("evil"), "{html}");
    }
}
