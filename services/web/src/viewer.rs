//! Identifies the viewer of a page, and renews an expired session.

use axum::Extension;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use common::id::UserId;
use common::identity::{Verifier, cookie};
use cookie::Cookie;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use platform::http::address::ClientAddress;
use platform::limits::marker::AlreadyCounted;

use crate::client_context::{ClientContext, with_cookies, with_unset_cookies};
use crate::domain::open_hold::OpenHold;
use crate::flows::collect_notifications::collect_notifications;
use crate::page_error::PageError;
use crate::service_client::RefreshOutcome;
use crate::state::AppState;

/// The viewer of a page; an argument of handlers.
#[derive(Debug, Clone, PartialEq, Eq, FromRequestParts)]
#[from_request(via(Extension))]
pub(crate) enum Viewer {
    Guest,
    User {
        id: UserId,
        /// The display name, once it has been replicated.
        name: Option<String>,
        unread: usize,
        /// The hold to pay for next.
        hold: Option<OpenHold>,
    },
}

impl Viewer {
    pub(crate) fn id(&self) -> Option<UserId> {
        match self {
            Self::Guest => None,
            Self::User { id, .. } => Some(*id),
        }
    }

    /// Loads what pages show of this user.
    pub(crate) async fn load(state: &AppState, id: UserId) -> Result<Self, Error> {
        let model = state.model.live().await?;
        let (name, news) =
            tokio::try_join!(async { Ok(model.users.get(id).await?) }, collect_notifications(state, &model, id))?;
        let name = name.map(|user| user.state.display_name);
        Ok(Self::User { id, name, unread: news.unread, hold: news.hold })
    }

    /// The signed-in user; a guest gets the sign-in form, which leads to `path` afterwards.
    pub(crate) fn require_user(&self, path: impl Into<String>) -> Result<UserId, PageError> {
        self.id().ok_or_else(|| PageError::SignInRequired(path.into()))
    }
}

/// Middleware that identifies the viewer and forwards renewed cookies to the browser.
pub(crate) async fn resolve(
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    mut request: Request,
    next: Next,
) -> Response {
    let is_counted = request.extensions().get::<AlreadyCounted>().is_some();
    let mut client = ClientContext::new(request.headers(), address, is_counted);
    let Identified { user, cookies, is_certain } = identify(&state, request.headers(), &client).await;
    let viewer = match user {
        None => Viewer::Guest,
        Some(id) => match Viewer::load(&state, id).await {
            Ok(viewer) => viewer,
            Err(error) => return with_cookies(error.into_response(), cookies),
        },
    };
    if !cookies.is_empty() {
        client.replace_cookies(&cookies);
    }
    request.extensions_mut().insert(viewer);
    request.extensions_mut().insert(client);
    let mut response = next.run(request).await;
    if !is_certain && response.status() == StatusCode::UNAUTHORIZED {
        // The service worker keeps passes unless the session has ended.
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
    }
    // Cookies set by the handler take precedence, such as those of a sign-out.
    with_unset_cookies(response, cookies)
}

/// Who sent a request.
struct Identified {
    /// The signed-in user.
    user: Option<UserId>,
    /// The cookies of a renewed or ended session.
    cookies: Vec<HeaderValue>,
    /// False if the session could not be renewed just now and may still exist.
    is_certain: bool,
}

impl Identified {
    fn certain(user: Option<UserId>, cookies: Vec<HeaderValue>) -> Self {
        Self { user, cookies, is_certain: true }
    }
}

/// Identifies the signed-in user. Renews the session if necessary.
async fn identify(state: &AppState, headers: &HeaderMap, client: &ClientContext) -> Identified {
    let verifier = &state.verifier;
    if let Some(user) = verifier.identify(headers) {
        return Identified::certain(Some(user.id), Vec::new());
    }
    if cookie(headers, verifier.cookie_names().refresh).is_none_or(str::is_empty) {
        return Identified::certain(None, Vec::new());
    }
    match state.services.refresh(client).await {
        RefreshOutcome::Renewed(cookies) => Identified::certain(user_of_cookies(verifier, &cookies), cookies),
        RefreshOutcome::SessionExpired(cookies) => Identified::certain(None, cookies),
        RefreshOutcome::Unavailable => Identified { user: None, cookies: Vec::new(), is_certain: false },
    }
}

/// The user of the access token among these `Set-Cookie` values.
fn user_of_cookies(verifier: &Verifier, cookies: &[HeaderValue]) -> Option<UserId> {
    let access = verifier.cookie_names().access;
    let mut parsed = cookies.iter().filter_map(|value| Cookie::parse(value.to_str().ok()?).ok());
    Some(verifier.verify(parsed.find(|cookie| cookie.name() == access)?.value())?.sub)
}
