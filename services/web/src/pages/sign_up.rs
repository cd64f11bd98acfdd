//! GET and POST /signup.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use common::api::users::{NewUser, Password, SignUp};
use common::error::Error;
use common::text::Text;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::layout::{self, Layout, with_parameters, with_retry_after};
use super::sign_in::NextQuery;
use super::{after_sign_in, hold_intention};
use crate::client_context::ClientContext;
use crate::domain::form::{Fault, FormErrors, safe_redirect_path};
use crate::domain::problem_text::detail;
use crate::flows::await_version::poll_until;
use crate::forms::{FormFields, SubmittedForm, validate_request};
use crate::i18n::msg;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::page_error::PageError;
use crate::state::AppState;
use crate::viewer::Viewer;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct SignUpForm {
    email: String,
    display_name: String,
    password: String,
    next: String,
}

impl FormFields for SignUpForm {
    type Request = NewUser;

    fn request(&self) -> Result<NewUser, FormErrors> {
        let body = NewUser {
            email: Text::new(&self.email),
            password: Password::new(&self.password),
            display_name: Text::non_blank(&self.display_name),
        };
        validate_request(body, field)
    }
}

#[derive(Template)]
#[template(path = "sign_up.html")]
struct SignUpPage {
    layout: Layout,
    email: String,
    display_name: String,
    next: String,
    errors: FormErrors,
    /// The number of seats that are held afterwards, if any.
    holds: Option<u8>,
}

impl SignUpPage {
    fn faults(&self) -> Vec<Fault<'_>> {
        let fields = [
            ("email", msg::sign_email()),
            ("displayName", msg::sign_up_display_name()),
            ("password", msg::sign_password()),
        ];
        self.errors.of_fields(&fields)
    }

    fn rejected(self) -> Self {
        let layout = self.layout.at(with_parameters("/signup", &[("next", &self.next)]));
        Self { layout, ..self }
    }
}

fn page(viewer: &Viewer, form: SignUpForm, errors: FormErrors) -> SignUpPage {
    let next = safe_redirect_path(&form.next).to_owned();
    let layout = Layout::new(msg::sign_up_title(), msg::sign_up_description(), viewer).leading_to(&next);
    let holds = hold_intention::intended_quantity(&next);
    SignUpPage { layout, email: form.email, display_name: form.display_name, next, errors, holds }
}

/// Show the sign-up form.
#[utoipa::path(get, path = "/signup", tag = "pages", params(NextQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn sign_up_form(
    State(state): State<AppState>,
    viewer: Viewer,
    headers: HeaderMap,
    query: LenientQuery<NextQuery>,
) -> Result<Response, Error> {
    let form = SignUpForm { next: query.next(&headers, &state.public_url), ..SignUpForm::default() };
    let mut page = page(&viewer, form, FormErrors::default());
    page.layout.notice = rejected_parameters_message(&query.rejected);
    layout::respond(StatusCode::OK, &page.layout, &page)
}

/// Create an account.
#[utoipa::path(post, path = "/signup", tag = "pages",
    responses((status = 303, description = "Signed up and in."), (status = 400, body = String, content_type = "text/html")))]
pub(super) async fn sign_up(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    SubmittedForm { form, request }: SubmittedForm<SignUpForm>,
) -> Result<Response, PageError> {
    let body = match request {
        Ok(body) => body,
        Err(errors) => {
            let page = page(&viewer, form, errors).rejected();
            return Ok(layout::respond(StatusCode::BAD_REQUEST, &page.layout, &page)?);
        }
    };
    match state.services.send(&SignUp { body }, &client).await {
        Ok(response) => {
            // Wait so that the next page can show the name. Ignore failures: the account exists.
            let id = response.body.id;
            poll_until(|| async { Ok(state.model.live().await?.users.get(id).await?.is_some()) }).await.ok();
            Ok(after_sign_in::continue_to(&form.next, &state, client, id, response.cookies).await)
        }
        Err(error) if error.status().is_client_error() => {
            let errors = match error.status() {
                StatusCode::CONFLICT => FormErrors::new("email", detail(&error.problem)),
                _ => FormErrors::from_problem(&error.problem, field),
            };
            let page = page(&viewer, form, errors).rejected();
            Ok(with_retry_after(layout::respond(error.status(), &page.layout, &page)?, error.retry_after))
        }
        Err(error) => Err(error.into()),
    }
}

fn field(api: &str) -> Option<&'static str> {
    ["email", "password", "displayName"].into_iter().find(|name| *name == api)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::i18n::testing::{assert_texts, in_german};

    #[test]
    fn template_shows_errors_at_their_fields() {
        let form = SignUpForm {
            email: "a@b".to_owned(),
            display_name: "<i>".to_owned(),
            password: "secret words".to_owned(),
            next: "/sell".to_owned(),
        };
        let errors = FormErrors::new("password", "must have 8 characters");
        let html = page(&Viewer::Guest, form, errors).render().unwrap();
        let listed = "<li><a href=\"#password\">Password</a>: Must have 8 characters.</li>";
        for part in [
            "value=\"a@b\"",
            "value=\"&#60;i&#62;\"",
            listed,
            "aria-invalid=\"true\"",
            "-1\" autofocus>",
            "<a href=\"/terms\">Read the terms</a>",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("secret words"), "{html}");
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let html = in_german(|| {
            let next = format!("/tickets/{}/hold?key=a", common::id::TicketId::new());
            let form = SignUpForm { next, ..SignUpForm::default() };
            page(&Viewer::Guest, form, FormErrors::new("displayName", "ist zu lang")).render().unwrap()
        });
        assert_texts(
            &html,
            &[
                "<h1>Konto erstellen</h1>",
                "wir reservieren das Ticket für dich",
                "<a href=\"#displayName\">Anzeigename</a>: Ist zu lang.",
                "Mindestens 8 Zeichen.",
                "<a href=\"/terms\">Nutzungsbedingungen lesen</a> · <a href=\"/privacy\">Was wir über dich",
                "Du hast schon ein Konto? <a ",
            ],
            ["Create", "Display", "Shown", "Email", "Password", "At least", "Already", "Sign ", "By creating"],
        );
    }
}
