//! A user is signed in on one more device: after signing up and after signing in.

use common::error::Error;
use common::id::{SessionId, UserId};
use http::{HeaderMap, header};

use crate::domain::session::Session;
use crate::state::AppState;

/// How much of a browser's own description is kept.
const LONGEST_DEVICE: usize = 200;

/// The two tokens that a browser holds.
#[derive(Clone)]
pub struct Tokens {
    /// The session.
    pub session: SessionId,
    /// The access token.
    pub access: String,
    /// The refresh token.
    pub refresh: String,
}

/// Opens a session for the device that sent these headers.
pub async fn open_session(state: &AppState, user: UserId, headers: &HeaderMap) -> Result<Tokens, Error> {
    let now = state.clock.now();
    let session = Session::open(SessionId::new(), user, device(headers), now, &state.lifetimes);
    let (id, access) = (session.id, state.keys.sign(user, session.id, now)?);
    let refresh = state.sessions.issue(&session, session.generation).await?;
    state.sessions.insert(session).await?;
    Ok(Tokens { session: id, access, refresh })
}

/// What the device calls itself.
fn device(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::USER_AGENT)?.to_str().ok()?.trim();
    let text: String = text.chars().take(LONGEST_DEVICE).collect();
    (!text.is_empty()).then_some(text)
}
