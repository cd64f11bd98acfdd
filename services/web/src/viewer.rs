//! Who looks at a page, with the session renewed on the way if need be.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request, State as Shared};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::id::UserId;
use common::identity::{Verifier, cookie};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use platform::http::address::ClientAddress;
use platform::store::error::StoreError;

use crate::auth::Refreshed;
use crate::state::State;

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
    },
}

/// Finds out who looks, then shows the page; new cookies are relayed to the browser.
pub async fn resolve(
    Shared(state): Shared<State>,
    ClientAddress(address): ClientAddress,
    mut request: Request,
    next: Next,
) -> Response {
    let (user, cookies) = identify(&state, request.headers(), address).await;
    let viewer = match user {
        None => Viewer::Guest,
        Some(id) => match name(&state, id).await {
            Ok(name) => Viewer::User { id, name },
            Err(error) => return with_cookies(common::error::Error::from(error).into_response(), cookies),
        },
    };
    request.extensions_mut().insert(viewer);
    with_cookies(next.run(request).await, cookies)
}

async fn name(state: &State, id: UserId) -> Result<Option<String>, StoreError> {
    let known = state.model.live().await?.users.get(id).await?;
    Ok(known.map(|user| user.state.display_name))
}

/// The user, and the cookies that the browser is to keep from now on.
async fn identify(state: &State, headers: &HeaderMap, address: std::net::IpAddr) -> (Option<UserId>, Vec<HeaderValue>) {
    let verifier = &state.verifier;
    if let Some(user) = verifier.identify(headers) {
        return (Some(user.id), Vec::new());
    }
    if cookie(headers, verifier.cookies().refresh).is_none_or(str::is_empty) {
        return (None, Vec::new());
    }
    match state.auth.refresh(headers, address).await {
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

fn with_cookies(mut response: Response, cookies: Vec<HeaderValue>) -> Response {
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

impl<S: Send + Sync> FromRequestParts<S> for Viewer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
