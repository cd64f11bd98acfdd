//! Who looks at a page, with the session renewed on the way if need be.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use common::id::UserId;
use common::identity::{Verifier, cookie};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use platform::http::address::ClientAddress;
use platform::limits::marker::Counted;

use crate::auth::Refreshed;
use crate::flows::notices;
use crate::session::{Session, with_cookies};
use crate::state::AppState;

/// Who looks at a page; an argument of handlers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Viewer {
    /// Nobody whom we know.
    #[default]
    Guest,
    /// A signed-in user.
    User {
        /// Who.
        id: UserId,
        /// How they are called, once auth's event of them has arrived.
        name: Option<String>,
        /// How many notifications they have not seen.
        unread: usize,
    },
}

impl Viewer {
    /// The user, if it is one.
    pub fn id(&self) -> Option<UserId> {
        match self {
            Self::Guest => None,
            Self::User { id, .. } => Some(*id),
        }
    }
}

/// Finds out who looks, then shows the page; new cookies are relayed to the browser.
pub async fn resolve(
    State(state): State<AppState>,
    ClientAddress(address): ClientAddress,
    mut request: Request,
    next: Next,
) -> Response {
    let is_counted = request.extensions().get::<Counted>().is_some();
    let (user, cookies) = identify(&state, request.headers(), address, is_counted).await;
    let viewer = match user {
        None => Viewer::Guest,
        Some(id) => match about(&state, id).await {
            Ok(viewer) => viewer,
            Err(error) => return with_cookies(error.into_response(), cookies),
        },
    };
    let session = Session { is_counted, ..Session::new(request.headers(), &cookies, address) };
    request.extensions_mut().insert(viewer);
    request.extensions_mut().insert(session);
    let response = next.run(request).await;
    // What the page itself says of the session, such as that it is over, comes last and holds.
    if response.headers().contains_key(header::SET_COOKIE) { response } else { with_cookies(response, cookies) }
}

async fn about(state: &AppState, id: UserId) -> Result<Viewer, Error> {
    let model = state.model.live().await?;
    let (name, unread) =
        tokio::try_join!(async { Ok(model.users.get(id).await?) }, notices::unread(state, &model, id))?;
    Ok(Viewer::User { id, name: name.map(|user| user.state.display_name), unread })
}

/// The user, and the cookies that the browser is to keep from now on.
async fn identify(
    state: &AppState,
    headers: &HeaderMap,
    address: IpAddr,
    is_counted: bool,
) -> (Option<UserId>, Vec<HeaderValue>) {
    let verifier = &state.verifier;
    if let Some(user) = verifier.identify(headers) {
        return (Some(user.id), Vec::new());
    }
    if cookie(headers, verifier.cookies().refresh).is_none_or(str::is_empty) {
        return (None, Vec::new());
    }
    match state.auth.refresh(headers, address, is_counted).await {
        Refreshed::Renewed(cookies) => (signed_in(verifier, &cookies), cookies),
        Refreshed::Refused(cookies) => (None, cookies),
        Refreshed::Unknown => (None, Vec::new()),
    }
}

/// Whose access token is among these `Set-Cookie` values.
fn signed_in(verifier: &Verifier, cookies: &[HeaderValue]) -> Option<UserId> {
    let access = verifier.cookies().access;
    let mut pairs = cookies.iter().filter_map(|value| value.to_str().ok()?.split(';').next()?.split_once('='));
    let (_, token) = pairs.find(|(name, _)| *name == access)?;
    Some(verifier.verify(token)?.sub)
}

impl<S: Send + Sync> FromRequestParts<S> for Viewer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
