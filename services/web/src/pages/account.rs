//! GET and POST /account, POST /account/password, POST /account/sessions/{id}/revoke.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use common::api;
use common::api::page::PageQuery;
use common::api::users::{
    ChangePassword, EndSession, ListSessions, NewPassword, Password, Profile, ReadCurrentUser, UpdateProfile,
};
use common::events::user::UserState;
use common::id::SessionId;
use common::text::Text;
use http::{HeaderValue, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;
use validator::Validate;

use super::layout::{self, Layout, see_other, with_parameters, with_retry_after};
use super::sign_in::credential_errors;
use super::typed_name;
use crate::client_context::{ClientContext, with_cookies};
use crate::domain::device::device_name;
use crate::domain::form::{Fault, FormErrors};
use crate::domain::moment::Moment;
use crate::flows::await_version::await_version;
use crate::forms::{FormFields, SubmittedForm, validate_request};
use crate::i18n::msg;
use crate::lenient_query::{LenientQuery, rejected_parameters_message};
use crate::page_error::PageError;
use crate::state::AppState;
use crate::viewer::Viewer;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct AccountForm {
    display_name: String,
}

/// A new password, confirmed by the current one.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct PasswordForm {
    current: String,
    new: String,
}

impl FormFields for AccountForm {
    type Request = Profile;

    fn request(&self) -> Result<Profile, FormErrors> {
        validate_request(Profile { display_name: Text::new(&self.display_name) }, field)
    }
}

impl FormFields for PasswordForm {
    type Request = NewPassword;

    fn request(&self) -> Result<NewPassword, FormErrors> {
        validate_request(NewPassword { current: Password::new(&self.current), new: Password::new(&self.new) }, field)
    }
}

fn field(api: &str) -> Option<&'static str> {
    ["displayName", "current", "new"].into_iter().find(|name| *name == api)
}

/// The query of the page.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AccountQuery {
    /// Whether the password has just been changed.
    #[serde(default)]
    password_changed: bool,
    /// Whether the user had to sign in when changing the password, which is not stored meanwhile.
    #[serde(default)]
    password_unsaved: bool,
    /// The display name that was typed before the user had to sign in.
    #[serde(default)]
    #[validate(length(max = 200))]
    #[param(max_length = 200)]
    display_name: String,
}

/// The account page with the notice that the password was not changed, because its user had to sign in first.
const PASSWORD_UNSAVED: &str = "/account?password_unsaved=true";

/// Sends a user whose session has ended to the sign-in form, which leads to this path.
fn sign_in_first(next: &str, cookies: Vec<HeaderValue>) -> Response {
    with_cookies(see_other(&with_parameters("/signin", &[("next", next)])), cookies)
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    layout: Layout,
    email: String,
    display_name: String,
    sessions: Vec<api::users::Session>,
    password_changed: bool,
    name_errors: FormErrors,
    password_errors: FormErrors,
}

impl AccountPage {
    fn name_faults(&self) -> Vec<Fault<'_>> {
        self.name_errors.of_fields(&[("displayName", msg::account_display_name())])
    }

    fn password_faults(&self) -> Vec<Fault<'_>> {
        let fields = [("current", msg::account_current_password()), ("new", msg::account_new_password())];
        self.password_errors.of_fields(&fields)
    }
}

/// GET /.well-known/change-password: where password managers send their users.
pub(super) async fn password_address() -> Response {
    see_other("/account#password")
}

fn device(session: &api::users::Session) -> String {
    session.device.as_deref().map_or_else(msg::account_unknown_device, device_name)
}

fn last_used(session: &api::users::Session) -> Moment {
    Moment::for_reader(session.last_used_at)
}

async fn page(state: &AppState, viewer: &Viewer, client: &ClientContext) -> Result<AccountPage, PageError> {
    let user = state.services.send(&ReadCurrentUser {}, client).await?.body.current_user;
    let user = user.ok_or_else(|| PageError::SignInRequired("/account".to_owned()))?;
    let sessions = state.services.send(&ListSessions { query: PageQuery::default() }, client).await?;
    Ok(AccountPage {
        layout: Layout::new(msg::account_title(), msg::account_description(), viewer),
        email: user.email,
        display_name: user.display_name,
        sessions: sessions.body.items,
        password_changed: false,
        name_errors: FormErrors::default(),
        password_errors: FormErrors::default(),
    })
}

async fn page_with_name_errors(
    state: &AppState,
    viewer: &Viewer,
    client: &ClientContext,
    (display_name, name_errors): (String, FormErrors),
) -> Result<Response, PageError> {
    let page = page(state, viewer, client).await?;
    let page = AccountPage { display_name, name_errors, layout: page.layout.at("/account"), ..page };
    Ok(layout::respond(StatusCode::BAD_REQUEST, &page.layout, &page)?)
}

/// Show the account.
#[utoipa::path(get, path = "/account", tag = "pages", params(AccountQuery),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn account(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    query: LenientQuery<AccountQuery>,
) -> Result<Response, PageError> {
    viewer.require_user("/account")?;
    let mut page = page(&state, &viewer, &client).await?;
    page.password_changed = query.value.password_changed;
    page.layout.notice = rejected_parameters_message(&query.rejected);
    if !query.value.display_name.is_empty() {
        page.display_name = query.value.display_name;
        page.layout.notice.get_or_insert_with(msg::account_name_unsaved);
    }
    if query.value.password_unsaved {
        page.layout.notice.get_or_insert_with(msg::account_password_unsaved);
    }
    Ok(layout::respond(StatusCode::OK, &page.layout, &page)?)
}

/// Change the display name.
#[utoipa::path(post, path = "/account", tag = "pages",
    responses((status = 303, description = "Renamed."), (status = 400, body = String, content_type = "text/html")))]
pub(super) async fn rename(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    SubmittedForm { form, request }: SubmittedForm<AccountForm>,
) -> Result<Response, PageError> {
    let Some(id) = viewer.id() else { return Ok(sign_in_first(&typed_name::path(&form.display_name), Vec::new())) };
    let body = match request {
        Ok(body) => body,
        Err(errors) => return page_with_name_errors(&state, &viewer, &client, (form.display_name, errors)).await,
    };
    match state.services.send(&UpdateProfile { body }, &client).await {
        Ok(response) => {
            if let Some(version) = response.version {
                await_version::<UserState>(&state, &id.to_string(), version).await?;
            }
            Ok(see_other("/account"))
        }
        Err(error) if error.status() == StatusCode::BAD_REQUEST => {
            let errors = FormErrors::from_problem(&error.problem, field);
            page_with_name_errors(&state, &viewer, &client, (form.display_name, errors)).await
        }
        Err(error) if error.status() == StatusCode::UNAUTHORIZED => {
            Ok(sign_in_first(&typed_name::path(&form.display_name), error.cookies))
        }
        Err(error) => Err(error.into()),
    }
}

/// Change the password.
#[utoipa::path(post, path = "/account/password", tag = "pages",
    responses((status = 303, description = "Changed; all other devices are signed out."),
        (status = 400, body = String, content_type = "text/html")))]
pub(super) async fn change_password(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    SubmittedForm { request, .. }: SubmittedForm<PasswordForm>,
) -> Result<Response, PageError> {
    viewer.require_user(PASSWORD_UNSAVED)?;
    let (status, password_errors, retry_after) = match request {
        Err(errors) => (StatusCode::BAD_REQUEST, errors, None),
        Ok(body) => match state.services.send(&ChangePassword { body }, &client).await {
            Ok(_) => return Ok(see_other("/account?password_changed=true")),
            // It is not about the password: the session has ended.
            Err(error) if error.status() == StatusCode::UNAUTHORIZED => {
                return Ok(sign_in_first(PASSWORD_UNSAVED, error.cookies));
            }
            Err(error) if error.status().is_client_error() => {
                (error.status(), credential_errors(&error, field), error.retry_after)
            }
            Err(error) => return Err(error.into()),
        },
    };
    let page = page(&state, &viewer, &client).await?;
    let page = AccountPage { password_errors, layout: page.layout.at("/account"), ..page };
    Ok(with_retry_after(layout::respond(status, &page.layout, &page)?, retry_after))
}

/// Sign out another device, or this one.
#[utoipa::path(post, path = "/account/sessions/{id}/revoke", tag = "pages", params(("id" = SessionId, Path)),
    responses((status = 303, description = "Signed out there.")))]
pub(super) async fn revoke(
    State(state): State<AppState>,
    viewer: Viewer,
    client: ClientContext,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id: SessionId = id.parse().map_err(|_| common::error::Error::NotFound)?;
    viewer.require_user("/account")?;
    match state.services.send(&EndSession { id }, &client).await {
        Ok(response) => Ok(with_cookies(see_other("/account"), response.cookies)),
        Err(error) if error.status() == StatusCode::UNAUTHORIZED => Ok(sign_in_first("/account", error.cookies)),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::*;
    use crate::i18n::testing::{assert_texts, in_german};

    fn session(device: Option<&str>, current: bool) -> api::users::Session {
        let time = "2026-01-01T10:00:00Z".parse().unwrap();
        api::users::Session {
            id: SessionId::new(),
            device: device.map(ToOwned::to_owned),
            current,
            created_at: time,
            expires_at: time,
            last_used_at: time,
        }
    }

    fn page_of(sessions: Vec<api::users::Session>) -> AccountPage {
        AccountPage {
            layout: Layout::new(msg::account_title(), "About", &Viewer::Guest),
            email: "a@example.com".to_owned(),
            display_name: "Ana <i>".to_owned(),
            sessions,
            password_changed: true,
            name_errors: FormErrors::default(),
            password_errors: FormErrors::default(),
        }
    }

    #[test]
    fn template_shows_its_values() {
        let other = session(None, false);
        let chrome = session(Some("Mozilla/5.0 (Linux; Android 10; K) Chrome/142.0.0.0 Mobile Safari/537.36"), false);
        let page = page_of(vec![session(Some("Mozilla <x>"), true), other.clone(), chrome]);
        let html = page.render().unwrap();
        for part in [
            "a@example.com",
            "Ana &#60;i&#62;",
            "Mozilla &#60;x&#62;",
            "this device",
            "Unknown device",
            ">Chrome on Android</span>",
            ">Sign out this device</button>",
            ">Sign out</button>",
            &format!("action=\"/account/sessions/{}/revoke\"", other.id),
            "Your password has been changed",
            "name=\"username\" autocomplete=\"username\" value=\"a@example.com\" hidden",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
        // That of this device is the sign-out, at which the browser forgets the passes that it keeps.
        assert_eq!((html.matches("/revoke").count(), html.matches("action=\"/signout\"").count()), (2, 1), "{html}");
    }

    #[test]
    fn german_page_has_no_english_texts() {
        let html = in_german(|| {
            let password_errors = FormErrors::new("current", "stimmt nicht");
            let page = AccountPage { password_errors, ..page_of(vec![session(None, true), session(None, false)]) };
            page.render().unwrap()
        });
        assert_texts(
            &html,
            &[
                "<h1>Konto</h1>",
                "Angemeldet als a@example.com.",
                "<a href=\"#current\">Aktuelles Passwort</a>: Stimmt nicht.",
                "Dein Passwort wurde geändert.",
                "Unbekanntes Gerät</span> <strong>(dieses Gerät)</strong>",
                ">Zuletzt benutzt: ",
                ">Dieses Gerät abmelden</button>",
                ">Abmelden</button>",
                ">Angebote</a>",
            ],
            [
                "Account",
                "Signed",
                "Display",
                "Save<",
                "Password",
                "password<",
                "Your ",
                "At least",
                "Last used",
                "Sign out",
                "Unknown",
                "My ",
            ],
        );
    }
}
