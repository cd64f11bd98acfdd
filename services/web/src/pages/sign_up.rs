//! GET and POST /signup.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use common::api::tickets::ListingRules;
use common::api::users::{NewUser, Password, SignUp};
use common::error::Error;
use common::text::Text;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::failure::Failure;
use super::layout::{self, Layout, see_other};
use super::sign_in::NextQuery;
use crate::domain::form::{self, Faults};
use crate::flows::await_version::until;
use crate::forms::{Fields, Posted, checked};
use crate::parameters::{Parameters, notice};
use crate::session::{Session, with_cookies};
use crate::state::AppState;
use crate::viewer::Viewer;

/// What was typed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct SignUpForm {
    email: String,
    display_name: String,
    password: String,
    next: String,
}

impl Fields for SignUpForm {
    type Request = NewUser;

    fn request(&self, _: &ListingRules) -> Result<NewUser, Faults> {
        let body = NewUser {
            email: Text::new(&self.email),
            password: Password::new(&self.password),
            display_name: Text::non_blank(&self.display_name),
        };
        checked(body, field)
    }
}

#[derive(Template)]
#[template(path = "sign_up.html")]
struct SignUpPage {
    layout: Layout,
    email: String,
    display_name: String,
    next: String,
    faults: Faults,
}

layout::page!(SignUpPage);

fn page(viewer: &Viewer, form: SignUpForm, faults: Faults) -> SignUpPage {
    let layout = Layout::new("Sign up", "Create an account to buy and sell tickets.", viewer);
    let next = form::next(&form.next).to_owned();
    SignUpPage { layout, email: form.email, display_name: form.display_name, next, faults }
}

/// Create an account.
#[utoipa::path(get, path = "/signup", tag = "pages", params(NextQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn sign_up_form(viewer: Viewer, query: Parameters<NextQuery>) -> Result<Response, Error> {
    let form = SignUpForm { next: query.known.next, ..SignUpForm::default() };
    let mut page = page(&viewer, form, Faults::default());
    page.layout = page.layout.saying(notice(&query.faults));
    layout::respond(StatusCode::OK, &page)
}

/// Take what was typed.
#[utoipa::path(post, path = "/signup", tag = "pages",
    responses((status = 303, description = "Signed up and in."), (status = 400, body = String, content_type = "text/html")))]
pub(super) async fn sign_up(
    State(state): State<AppState>,
    viewer: Viewer,
    session: Session,
    Posted { form, request }: Posted<SignUpForm>,
) -> Result<Response, Failure> {
    let body = match request {
        Ok(body) => body,
        Err(faults) => return Ok(layout::respond(StatusCode::BAD_REQUEST, &page(&viewer, form, faults))?),
    };
    match state.calls.send(&SignUp { body }, &session).await {
        Ok(answer) => {
            // Their name is then on the next page; whatever happens, the account is made and they are in.
            let id = answer.body.id;
            until(|| async { Ok(state.model.live().await?.users.get(id).await?.is_some()) }).await.ok();
            Ok(with_cookies(see_other(form::next(&form.next)), answer.cookies))
        }
        Err(refused) if refused.status().is_client_error() => {
            let mut faults = Faults::from_problem(&refused.problem.errors, &refused.problem.detail, field);
            if refused.status() == StatusCode::CONFLICT {
                faults = Faults::default();
                faults.add("email", &refused.problem.detail);
            }
            Ok(layout::respond(refused.status(), &page(&viewer, form, faults))?)
        }
        Err(refused) => Err(refused.into()),
    }
}

/// The field of the form that one of the API is.
fn field(api: &str) -> Option<&'static str> {
    ["email", "password", "displayName"].into_iter().find(|name| *name == api)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_tells_faults_at_their_fields() {
        let form = SignUpForm {
            email: "a@b".to_owned(),
            display_name: "<i>".to_owned(),
            password: "secret words".to_owned(),
            next: "/sell".to_owned(),
        };
        let mut faults = Faults::default();
        faults.add("password", "must have 8 characters");
        let html = page(&Viewer::Guest, form, faults).render().unwrap();
        for part in ["value=\"a@b\"", "value=\"&#60;i&#62;\"", "Must have 8 characters.", "aria-invalid=\"true\""] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        assert!(!html.contains("secret words"), "{html}");
    }
}
