//! GET and POST /signin, POST /signout.
//!
//! # Why
//! The header's links to sign-in and sign-up are the same on every page, also after a script has changed the page's
//! address: the browser names that address in the `Referer`, to which the form leads back.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use common::api::users::{Credentials, Password, SignIn, SignOut};
use common::error::Error;
use common::text::Text;
use common::validate::invalid;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;
use validator::{Validate, ValidationError};

use super::layout::{self, Layout, see_other, with_parameters, with_retry_after};
use super::{after_sign_in, hold_intention, sell_draft, typed_name};
use crate::client_context::{ClientContext, with_cookies};
use crate::domain::form::{Fault, FormErrors, safe_redirect_path};
use crate::forms::{FormFields, SubmittedForm, validate_request};
use crate::i18n::msg;
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

impl LenientQuery<NextQuery> {
    /// Where to go afterwards: the path in the query, or the page with the link that was followed.
    pub(super) fn next(&self, headers: &HeaderMap, public_url: &str) -> String {
        let page = || page_with_the_link(headers, public_url).filter(|_| self.rejected.is_empty());
        let named = Some(self.value.next.as_str()).filter(|next| !next.is_empty());
        named.or_else(page).unwrap_or("/").to_owned()
    }
}

/// The path of the page on this site that the browser comes from. Nobody is sent back to a form of these pages, and
/// following a link must change nothing. For a page without a referrer, the engine of Safari names the service worker
/// that loads it.
fn page_with_the_link<'a>(headers: &'a HeaderMap, public_url: &str) -> Option<&'a str> {
    let path = headers.get(header::REFERER)?.to_str().ok()?.strip_prefix(public_url)?;
    let is_elsewhere = ["/signin", "/signup", "/sw.js"].contains(&path.split('?').next().unwrap_or_default());
    Some(path).filter(|path| path.starts_with('/') && !is_elsewhere && !after_sign_in::is_command(path))
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
    /// The number of seats in the hold that is made after the sign-in, if one is.
    holds: Option<u8>,
    /// Whether what was typed is there afterwards.
    keeps_input: bool,
}

impl SignInPage {
    fn faults(&self) -> Vec<Fault<'_>> {
        self.errors.of_fields(&[("email", msg::sign_email()), ("password", msg::sign_password())])
    }

    fn rejected(self) -> Self {
        let layout = self.layout.at(with_parameters("/signin", &[("next", &self.next)]));
        Self { layout, ..self }
    }
}

fn page(viewer: &Viewer, email: String, next: &str, errors: FormErrors, replaces_page: bool) -> SignInPage {
    let next = safe_redirect_path(next).to_owned();
    let layout = Layout::new(msg::sign_in_title(), msg::sign_in_description(), viewer).leading_to(&next);
    let holds = hold_intention::intended_quantity(&next);
    let keeps_input = sell_draft::is_draft_path(&next) || typed_name::is_kept(&next);
    SignInPage { layout, email, next, errors, replaces_page, holds, keeps_input }
}

/// The sign-in form, shown instead of a page that requires sign-in.
pub(super) fn sign_in_required(next: &str) -> Response {
    let mut page = page(&Viewer::Guest, String::new(), next, FormErrors::default(), true);
    page.layout.at = Some(page.next.clone());
    layout::respond(StatusCode::UNAUTHORIZED, &page.layout, &page).unwrap_or_else(IntoResponse::into_response)
}

/// Show the sign-in form.
#[utoipa::path(get, path = "/signin", tag = "pages", params(NextQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn sign_in_form(
    State(state): State<AppState>,
    viewer: Viewer,
    headers: HeaderMap,
    query: LenientQuery<NextQuery>,
) -> Result<Response, Error> {
    let next = query.next(&headers, &state.public_url);
    let mut page = page(&viewer, String::new(), &next, FormErrors::default(), false);
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
            let page = page(&viewer, form.email, &form.next, errors, false).rejected();
            return Ok(layout::respond(StatusCode::BAD_REQUEST, &page.layout, &page)?);
        }
    };
    match state.services.send(&SignIn { body }, &client).await {
        Ok(response) => {
            Ok(after_sign_in::continue_to(&form.next, &state, client, response.body.id, response.cookies).await)
        }
        Err(error) if error.status().is_client_error() => {
            let page = page(&viewer, form.email, &form.next, credential_errors(&error, field), false).rejected();
            Ok(with_retry_after(layout::respond(error.status(), &page.layout, &page)?, error.retry_after))
        }
        Err(error) => Err(error.into()),
    }
}

/// The errors of a form that contains a password; after too many attempts, one about these instead.
pub(super) fn credential_errors(error: &ServiceError, field: impl Fn(&str) -> Option<&'static str>) -> FormErrors {
    match error.status() {
        StatusCode::TOO_MANY_REQUESTS => FormErrors::new("", msg::sign_in_too_many_attempts()),
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
    use crate::i18n::testing::{assert_texts, in_german};

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
        let pair = page(&Viewer::Guest, String::new(), &format!("{hold}&quantity=2"), FormErrors::default(), false);
        let html = pair.render().unwrap();
        assert!(html.contains("hold your seats for you if they are still available"), "{html}");
        assert!(html.contains("<a href=\"/help#contact\">Forgot your password?</a>"), "{html}");
        let draft = "/sell/drafts/a";
        let kept = page(&Viewer::Guest, String::new(), draft, FormErrors::default(), false).render().unwrap();
        assert!(kept.contains("Your details are saved") && !html.contains("Your details are saved"), "{kept}");
        // The header's links keep the path, too.
        assert!(kept.contains("href=\"/signup?next=/sell/drafts/a\">Sign up</a>"), "{kept}");
        let html = page(&Viewer::Guest, String::new(), "//evil", FormErrors::default(), false).render().unwrap();
        assert!(!html.contains("evil"), "{html}");
    }

    #[test]
    fn blanks_around_a_pasted_email_are_dropped_but_not_those_of_a_password() {
        let form = SignInForm {
            email: " ana@example.com\u{a0}".to_owned(),
            password: " with blanks ".to_owned(),
            next: String::new(),
        };
        let request = form.request().unwrap();
        assert_eq!((&*request.email, request.password.as_str()), ("ana@example.com", " with blanks "));
    }

    #[test]
    fn sign_in_leads_back_to_the_page_of_this_site_that_it_was_opened_from() {
        let ticket = format!("http://localhost:8080/tickets/{}", common::id::TicketId::new());
        let (hold, unwatch) = (format!("{ticket}/hold?key=a"), format!("{ticket}/unwatch"));
        for (next, referer, expected) in [
            ("", Some("http://localhost:8080/browse?q=jazz&max=50"), "/browse?q=jazz&max=50"),
            ("/orders", Some("http://localhost:8080/browse"), "/orders"),
            ("", None, "/"),
            ("", Some("https://evil.example/browse"), "/"),
            ("", Some("http://localhost:80801/browse"), "/"),
            ("", Some("http://localhost:8080.evil.example/"), "/"),
            ("", Some("http://localhost:8080/signup?next=/orders"), "/"),
            ("", Some("http://localhost:8080/sw.js"), "/"),
            ("https://evil.example", Some("http://localhost:8080/browse"), "/"),
            ("", Some(hold.as_str()), "/"),
            ("", Some(unwatch.as_str()), "/"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(referer) = referer {
                headers.insert(header::REFERER, referer.parse().unwrap());
            }
            let query = serde_urlencoded::to_string([("next", next)]).unwrap();
            let query = LenientQuery::<NextQuery>::read(&query, &());
            assert_eq!(query.next(&headers, "http://localhost:8080"), expected, "{next} from {referer:?}");
        }
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let html = in_german(|| {
            let hold = format!("/tickets/{}/hold?key=a", common::id::TicketId::new());
            let errors = FormErrors::new("email", "fehlt");
            let holding = page(&Viewer::Guest, String::new(), &hold, errors, true).render().unwrap();
            let draft = page(&Viewer::Guest, String::new(), "/sell/drafts/a", FormErrors::default(), false);
            holding + &draft.render().unwrap()
        });
        assert_texts(
            &html,
            &[
                "<h1>Anmelden</h1>",
                "Melde dich an, um fortzufahren.",
                "wir reservieren das Ticket für dich",
                "Deine Angaben sind gespeichert.",
                "<a href=\"#email\">E-Mail-Adresse</a>: Fehlt.",
                ">Konto erstellen</a>",
                ">Passwort vergessen?</a>",
            ],
            ["Sign in", "Email", "Password", "Your ", "New here", "Create", "Forgot"],
        );
    }
}
