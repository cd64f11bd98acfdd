//! Sessions and the refresh tokens that lead to them.
//!
//! # Why
//! A token's document holds its hash and its generation and never changes; what is decided is decided
//! on the session's document alone, by a compare-and-swap of its generation. A token that was stored
//! by somebody who then lost the race is of the generation that won, which is to say a sibling.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::api::page::Page;
use common::id::{SessionId, UserId};
use common::timestamp::Timestamp;
use futures::TryStreamExt as _;
use mongodb::bson::{DateTime, doc};
use mongodb::{Collection, Database, IndexModel};
use platform::mongo;
use platform::store::error::StoreError;
use platform::store::page::PageRequest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{date, expiry, index};
use crate::domain::session::Session;

pub(super) const SESSIONS: &str = "sessions";
pub(super) const TOKENS: &str = "refresh_tokens";

pub(super) fn session_indexes() -> Vec<IndexModel> {
    vec![index("user_v1", doc! { "state.userId": 1, "_id": -1 }, false), expiry()]
}

pub(super) fn token_indexes() -> Vec<IndexModel> {
    vec![index("session_v1", doc! { "sessionId": 1 }, false), expiry()]
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionDocument {
    #[serde(rename = "_id")]
    id: SessionId,
    state: Session,
    expires_on: DateTime,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenDocument {
    /// The hash: whoever reads the database can't use the tokens.
    #[serde(rename = "_id")]
    hash: String,
    session_id: SessionId,
    generation: i64,
    expires_on: DateTime,
}

/// The collections of sessions and tokens.
#[derive(Clone)]
pub struct Sessions {
    sessions: Collection<SessionDocument>,
    tokens: Collection<TokenDocument>,
}

/// What is known of a token that was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownToken {
    /// The session that it belongs to, which may have ended.
    pub session: SessionId,
    /// Its generation.
    pub generation: i64,
}

impl Sessions {
    /// The collections in this database.
    pub fn new(database: &Database) -> Self {
        Self { sessions: database.collection(SESSIONS), tokens: database.collection(TOKENS) }
    }

    /// Stores a new session.
    pub async fn insert(&self, session: Session) -> Result<(), StoreError> {
        self.sessions.insert_one(document(session)).await?;
        Ok(())
    }

    /// A new refresh token of the session, of this generation: 256 random bits.
    pub async fn issue(&self, session: &Session, generation: i64) -> Result<String, StoreError> {
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let document = TokenDocument {
            hash: hash(&token),
            session_id: session.id,
            generation,
            expires_on: date(session.expires_at),
        };
        self.tokens.insert_one(document).await?;
        Ok(token)
    }

    /// What is known of a token.
    pub async fn token(&self, token: &str) -> Result<Option<KnownToken>, StoreError> {
        let found = mongo::find_by_id(&self.tokens, &hash(token)).await?;
        Ok(found.map(|found| KnownToken { session: found.session_id, generation: found.generation }))
    }

    /// The session with this id, unless it was ended. By a linearizable read: one that is older than a rotation
    /// would take the newest token for one that was never given out, and sign its user out.
    pub async fn get(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(mongo::linearizable(&self.sessions, &id.to_string()).await?.map(|found| found.state))
    }

    /// Stores the session as it is after a rotation, if it was not rotated or ended meanwhile; whether
    /// it was stored.
    pub async fn rotate(&self, next: Session) -> Result<bool, StoreError> {
        let filter = doc! { "_id": next.id.to_string(), "state.generation": next.generation - 1 };
        Ok(self.sessions.replace_one(filter, document(next)).await?.matched_count > 0)
    }

    /// Ends a session: neither it nor any of its tokens is known any more.
    pub async fn end(&self, id: SessionId) -> Result<(), StoreError> {
        self.sessions.delete_one(doc! { "_id": id.to_string() }).await?;
        self.tokens.delete_many(doc! { "sessionId": id.to_string() }).await?;
        Ok(())
    }

    /// Ends a session of this user; false when it is not there or not theirs.
    pub async fn end_of(&self, user: UserId, id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        let filter = doc! { "_id": id.to_string(), "state.userId": user.to_string(), "state.expiresAt": after(now) };
        let theirs = self.sessions.delete_one(filter).await?.deleted_count > 0;
        if theirs {
            self.tokens.delete_many(doc! { "sessionId": id.to_string() }).await?;
        }
        Ok(theirs)
    }

    /// Ends all sessions of this user but one.
    pub async fn end_others(&self, user: UserId, kept: SessionId) -> Result<(), StoreError> {
        let others = doc! { "state.userId": user.to_string(), "_id": { "$ne": kept.to_string() } };
        let ids = self.sessions.distinct("_id", others.clone()).await?;
        self.sessions.delete_many(others).await?;
        // Tokens without a session are worth nothing; those of a session that came in between run out by themselves.
        self.tokens.delete_many(doc! { "sessionId": { "$in": ids } }).await?;
        Ok(())
    }

    /// One page of a user's sessions that have not ended, newest first.
    pub async fn page(&self, user: UserId, now: Timestamp, request: &PageRequest) -> Result<Page<Session>, StoreError> {
        let filter = doc! { "state.userId": user.to_string(), "state.expiresAt": after(now) };
        let found = self.sessions.find(request.narrow(filter)).sort(doc! { "_id": -1 }).limit(request.limit + 1);
        let found: Vec<SessionDocument> = found.await?.try_collect().await?;
        Ok(request.cut(found, |found| found.id.to_string()).map(|found| found.state))
    }
}

fn after(now: Timestamp) -> mongodb::bson::Document {
    doc! { "$gt": now.to_string() }
}

fn document(session: Session) -> SessionDocument {
    SessionDocument { id: session.id, expires_on: date(session.expires_at), state: session }
}

/// Random tokens need no salt and no slow hash: there is nothing to guess.
fn hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token))
}
