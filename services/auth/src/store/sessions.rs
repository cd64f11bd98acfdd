//! Sessions and their refresh tokens.
//!
//! # Why
//! A token's document contains its hash and its rotation and never changes; every decision is a compare-and-swap of the
//! rotation in the session's document. A request stores its new token before the swap. If a concurrent request wins the
//! swap, both tokens have the rotation that was swapped in, so both are valid.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::api::page::Page;
use common::id::{SessionId, UserId};
use common::timestamp::Timestamp;
use futures::TryStreamExt as _;
use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::{Collection, Database};
use platform::mongo;
use platform::store::error::StoreError;
use platform::store::page::PageRequest;
use serde::{Deserialize, Serialize};

use super::{date, sha256};
use crate::domain::session::Session;

pub(super) const SESSIONS: &str = "sessions";
pub(super) const TOKENS: &str = "refresh_tokens";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionDocument {
    #[serde(rename = "_id")]
    id: SessionId,
    state: Session,
    expires_on: DateTime,
}

/// The stored record of a refresh token.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenRecord {
    /// Hash of the token, so that read access to the database does not reveal usable tokens. 256 random bits can't be
    /// guessed, so the hash needs no salt and may be fast.
    #[serde(rename = "_id")]
    hash: String,
    /// The session, which may have ended.
    pub(crate) session_id: SessionId,
    pub(crate) rotation: i64,
    expires_on: DateTime,
}

/// The collections of sessions and refresh tokens.
#[derive(Clone)]
pub struct Sessions {
    sessions: Collection<SessionDocument>,
    tokens: Collection<TokenRecord>,
}

impl Sessions {
    /// The collections in this database.
    pub fn new(database: &Database) -> Self {
        Self { sessions: database.collection(SESSIONS), tokens: database.collection(TOKENS) }
    }

    pub(crate) async fn insert(&self, session: Session) -> Result<(), StoreError> {
        self.sessions.insert_one(document(session)).await?;
        Ok(())
    }

    /// Stores and returns a new refresh token of this rotation.
    pub(crate) async fn issue(&self, session: &Session, rotation: i64) -> Result<String, StoreError> {
        let token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let (hash, expires_on) = (sha256(&token), date(session.expires_at));
        self.tokens.insert_one(TokenRecord { hash, session_id: session.id, rotation, expires_on }).await?;
        Ok(token)
    }

    pub(crate) async fn find_token(&self, token: &str) -> Result<Option<TokenRecord>, StoreError> {
        Ok(mongo::find_by_id(&self.tokens, &sha256(token)).await?)
    }

    /// The session with this id, unless it was ended. The read is linearizable: one that misses a rotation would take
    /// the newest token for one that was never issued, and sign the user out.
    pub async fn get(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(mongo::linearizable(&self.sessions, &id.to_string()).await?.map(|found| found.state))
    }

    /// Stores the session after a rotation. Returns false if it was rotated or ended in the meantime.
    pub async fn rotate(&self, next: Session) -> Result<bool, StoreError> {
        let filter = doc! { "_id": next.id.to_string(), "state.rotation": next.rotation - 1 };
        Ok(self.sessions.replace_one(filter, document(next)).await?.matched_count > 0)
    }

    /// Deletes a session and its tokens.
    pub async fn end(&self, id: SessionId) -> Result<(), StoreError> {
        self.sessions.delete_one(doc! { "_id": id.to_string() }).await?;
        self.delete_tokens(vec![id.to_string().into()]).await
    }

    /// Ends a session of this user. Returns false if it is absent, expired or another user's.
    pub(crate) async fn end_of_user(&self, user: UserId, id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        let mut filter = live_sessions(user, now);
        filter.insert("_id", id.to_string());
        let owned = self.sessions.delete_one(filter).await?.deleted_count > 0;
        if owned {
            self.delete_tokens(vec![id.to_string().into()]).await?;
        }
        Ok(owned)
    }

    /// Ends all sessions of the user.
    pub(crate) async fn end_all(&self, user: UserId) -> Result<(), StoreError> {
        self.end_matching(doc! { "state.userId": user.to_string() }).await
    }

    /// Ends all sessions of the user except `kept`.
    pub(crate) async fn end_all_except(&self, user: UserId, kept: SessionId) -> Result<(), StoreError> {
        self.end_matching(doc! { "state.userId": user.to_string(), "_id": { "$ne": kept.to_string() } }).await
    }

    async fn end_matching(&self, filter: Document) -> Result<(), StoreError> {
        let ids = self.sessions.distinct("_id", filter.clone()).await?;
        self.sessions.delete_many(filter).await?;
        // Misses the tokens of a session that was stored after `distinct`. They are useless without the session, and
        // expire.
        self.delete_tokens(ids).await
    }

    /// Ends all sessions of the user except this many, which are the newest.
    pub(crate) async fn end_all_but_newest(&self, user: UserId, kept: u32) -> Result<(), StoreError> {
        let sessions = self.sessions.clone_with_type::<Document>();
        let excess = sessions.find(doc! { "state.userId": user.to_string() });
        let excess = excess.sort(doc! { "_id": -1 }).skip(u64::from(kept)).projection(doc! { "_id": 1 });
        let excess: Vec<Document> = excess.await?.try_collect().await?;
        let ids: Vec<Bson> = excess.iter().filter_map(|session| session.get("_id").cloned()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        self.sessions.delete_many(doc! { "_id": { "$in": &ids } }).await?;
        self.delete_tokens(ids).await
    }

    async fn delete_tokens(&self, sessions: Vec<Bson>) -> Result<(), StoreError> {
        self.tokens.delete_many(doc! { "sessionId": { "$in": sessions } }).await?;
        Ok(())
    }

    /// One page of a user's unexpired sessions, newest first.
    pub(crate) async fn page(
        &self,
        user: UserId,
        now: Timestamp,
        request: &PageRequest,
    ) -> Result<Page<Session>, StoreError> {
        let filter = request.apply_cursor(live_sessions(user, now));
        let found = self.sessions.find(filter).sort(doc! { "_id": -1 }).limit(request.limit + 1);
        let found: Vec<SessionDocument> = found.await?.try_collect().await?;
        Ok(request.to_page(found, |found| found.id.to_string()).map(|found| found.state))
    }
}

fn live_sessions(user: UserId, now: Timestamp) -> Document {
    doc! { "state.userId": user.to_string(), "state.expiresAt": { "$gt": now.to_string() } }
}

fn document(session: Session) -> SessionDocument {
    SessionDocument { id: session.id, expires_on: date(session.expires_at), state: session }
}
