//! Opens a session for a device, at sign-up and at sign-in.

use common::error::Error;
use common::id::SessionId;
use http::{HeaderMap, header};

use crate::domain::session::Session;
use crate::domain::user::User;
use crate::state::AppState;

/// A browser's `User-Agent` is truncated to this many characters.
const MAX_DEVICE_CHARS: usize = 200;

pub(crate) struct Tokens {
    pub(crate) session: SessionId,
    pub(crate) access: String,
    pub(crate) refresh: String,
}

/// Opens a session for the device that sent these headers.
pub(crate) async fn open_session(state: &AppState, user: &User, headers: &HeaderMap) -> Result<Tokens, Error> {
    let now = state.clock.now();
    let session = Session::open(SessionId::new(), user.id, device(headers), now, &state.session_policy);
    let (id, access) = (session.id, state.signer.sign(user.id, user.roles.clone(), session.id, now)?);
    // Together, so that they share a flush of the journal. If one fails, nobody has the token, and what is stored
    // expires.
    let issued = state.sessions.issue(&session, session.rotation);
    let (refresh, ()) = tokio::try_join!(issued, state.sessions.insert(session.clone()))?;
    Ok(Tokens { session: id, access, refresh })
}

fn device(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::USER_AGENT)?.to_str().ok()?.trim();
    let text: String = text.chars().take(MAX_DEVICE_CHARS).collect();
    (!text.is_empty()).then_some(text)
}
