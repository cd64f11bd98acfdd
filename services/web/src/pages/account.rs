//! GET and POST /account, POST /account/password, POST /account/sessions/{id}/revoke.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use common::api;
use common::api::page::PageQuery;
use common::api::tickets::ListingRules;
use common::api::users::{
    ChangePassword, EndSession, ListSessions, NewPassword, Password, Profile, ReadCurrentUser, UpdateProfile,
};
use common::id::SessionId;
use common::text::Text;
use http::StatusCode;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use super::failure::Failure;
use super::layout::{self, Layout, see_other};
use crate::domain::form::Faults;
use crate::domain::moment::Moment;
use crate::flows::await_version::until;
use crate::forms::{Fields, Posted, checked};
use crate::parameters::{Parameters, notice};
use crate::session::{Session, with_cookies};
use crate::state::AppState;
use crate::viewer::Viewer;

/// A new display name.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct AccountForm {
    display_name: String,
}

/// Another password.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default)]
pub struct PasswordForm {
    current: String,
    new: String,
}

impl Fields for AccountForm {
    type Request = Profile;

    fn request(&self, _: &ListingRules) -> Result<Profile, Faults> {
        checked(Profile { display_name: Text::new(&self.display_name) }, field)
    }
}

impl Fields for PasswordForm {
    type Request = NewPassword;

    fn request(&self, _: &ListingRules) -> Result<NewPassword, Faults> {
        checked(NewPassword { current: Password::new(&self.current), new: Password::new(&self.new) }, field)
    }
}

/// The field of a form that one of the API is.
fn field(api: &str) -> Option<&'static str> {
    ["displayName", "current", "new"].into_iter().find(|name| *name == api)
}

/// What the page is to say.
#[derive(Debug, Default, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Whether the password was changed just now.
    #[serde(default)]
    password_changed: bool,
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    layout: Layout,
    email: String,
    display_name: String,
    devices: Vec<Device>,
    password_changed: bool,
    /// Of the name.
    faults: Faults,
    /// Of the password.
    password_faults: Faults,
}

layout::page!(AccountPage);

/// A session, as it is shown.
struct Device {
    id: SessionId,
    name: Option<String>,
    is_current: bool,
    used: Moment,
}

impl From<api::users::Session> for Device {
    fn from(session: api::users::Session) -> Self {
        let used = Moment::new(session.last_used_at, "UTC");
        Self { id: session.id, name: session.device, is_current: session.current, used }
    }
}

async fn page(state: &AppState, viewer: &Viewer, session: &Session) -> Result<AccountPage, Failure> {
    let current = state.calls.send(&ReadCurrentUser {}, session).await?;
    let me = current.body.current_user.ok_or_else(|| Failure::SignIn("/account".to_owned()))?;
    let devices = state.calls.send(&ListSessions { query: PageQuery::default() }, session).await?;
    let (display_name, faults) = (me.display_name, Faults::default());
    let layout = Layout::new("Account", "Your name here, and where you are signed in.", viewer);
    let devices = devices.body.map(Device::from).items;
    let (password_changed, password_faults) = (false, Faults::default());
    Ok(AccountPage { layout, email: me.email, display_name, devices, password_changed, faults, password_faults })
}

/// The page again, with the name as it was typed and what is wrong with it.
async fn misnamed(
    state: &AppState,
    viewer: &Viewer,
    session: &Session,
    (display_name, faults): (String, Faults),
) -> Result<Response, Failure> {
    let page = page(state, viewer, session).await?;
    Ok(layout::respond(StatusCode::BAD_REQUEST, &AccountPage { display_name, faults, ..page })?)
}

/// One's account.
#[utoipa::path(get, path = "/account", tag = "pages", params(Asked),
    responses((status = 200, body = String, content_type = "text/html")))]
pub(super) async fn account(
    State(state): State<AppState>,
    viewer: Viewer,
    session: Session,
    asked: Parameters<Asked>,
) -> Result<Response, Failure> {
    viewer.id().ok_or_else(|| Failure::SignIn("/account".to_owned()))?;
    let page = page(&state, &viewer, &session).await?;
    let (password_changed, layout) = (asked.known.password_changed, page.layout.saying(notice(&asked.faults)));
    Ok(layout::respond(StatusCode::OK, &AccountPage { layout, password_changed, ..page })?)
}

/// Be called otherwise.
#[utoipa::path(post, path = "/account", tag = "pages",
    responses((status = 303, description = "Renamed."), (status = 400, body = String, content_type = "text/html")))]
pub(super) async fn rename(
    State(state): State<AppState>,
    viewer: Viewer,
    session: Session,
    Posted { form, request }: Posted<AccountForm>,
) -> Result<Response, Failure> {
    let id = viewer.id().ok_or_else(|| Failure::SignIn("/account".to_owned()))?;
    let body = match request {
        Ok(body) => body,
        Err(faults) => return misnamed(&state, &viewer, &session, (form.display_name, faults)).await,
    };
    match state.calls.send(&UpdateProfile { body }, &session).await {
        Ok(answer) => {
            let name = answer.body.display_name;
            until(|| async {
                let known = state.model.live().await?.users.get(id).await?;
                Ok(known.is_some_and(|user| user.state.display_name == name))
            })
            .await?;
            Ok(see_other("/account"))
        }
        Err(refusal) if refusal.status() == StatusCode::BAD_REQUEST => {
            let faults = Faults::from_problem(&refusal.problem.errors, &refusal.problem.detail, field);
            misnamed(&state, &viewer, &session, (form.display_name, faults)).await
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// Choose another password.
#[utoipa::path(post, path = "/account/password", tag = "pages",
    responses((status = 303, description = "Changed; all other devices are signed out."),
        (status = 400, body = String, content_type = "text/html")))]
pub(super) async fn change_password(
    State(state): State<AppState>,
    viewer: Viewer,
    session: Session,
    Posted { request, .. }: Posted<PasswordForm>,
) -> Result<Response, Failure> {
    viewer.id().ok_or_else(|| Failure::SignIn("/account".to_owned()))?;
    let (status, faults, retry_after) = match request {
        Err(faults) => (StatusCode::BAD_REQUEST, faults, None),
        Ok(body) => match state.calls.send(&ChangePassword { body }, &session).await {
            Ok(_) => return Ok(see_other("/account?password_changed=true")),
            Err(refused) if refused.status().is_client_error() && refused.status() != StatusCode::UNAUTHORIZED => {
                let detail = match refused.status() {
                    StatusCode::TOO_MANY_REQUESTS => "Too many tries. Wait a little, then try again.",
                    _ => refused.problem.detail.as_str(),
                };
                let faults = Faults::from_problem(&refused.problem.errors, detail, field);
                (refused.status(), faults, refused.retry_after)
            }
            Err(refused) => return Err(refused.into()),
        },
    };
    let page = page(&state, &viewer, &session).await?;
    let mut response = layout::respond(status, &AccountPage { password_faults: faults, ..page })?;
    if let Some(after) = retry_after {
        response.headers_mut().insert(http::header::RETRY_AFTER, after);
    }
    Ok(response)
}

/// Sign out another device, or this one.
#[utoipa::path(post, path = "/account/sessions/{id}/revoke", tag = "pages", params(("id" = SessionId, Path)),
    responses((status = 303, description = "Signed out there.")))]
pub(super) async fn revoke(
    State(state): State<AppState>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id: SessionId = id.parse().map_err(|_| common::error::Error::NotFound)?;
    let answer = state.calls.send(&EndSession { id }, &session).await?;
    Ok(with_cookies(see_other("/account"), answer.cookies))
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::*;

    #[test]
    fn the_template_shows_what_it_is_given() {
        let device = |name: Option<&str>, current| Device {
            id: SessionId::new(),
            name: name.map(ToOwned::to_owned),
            is_current: current,
            used: Moment::new("2026-01-01T10:00:00Z".parse().unwrap(), "UTC"),
        };
        let html = AccountPage {
            layout: Layout::new("Account", "About", &Viewer::Guest),
            email: "a@example.com".to_owned(),
            display_name: "Ana <i>".to_owned(),
            devices: vec![device(Some("Mozilla <x>"), true), device(None, false)],
            password_changed: true,
            faults: Faults::default(),
            password_faults: Faults::default(),
        }
        .render()
        .unwrap();
        for part in [
            "a@example.com",
            "Ana &#60;i&#62;",
            "Mozilla &#60;x&#62;",
            "this device",
            "Unknown device",
            "/revoke",
            "Your password is changed",
        ] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }
}
