//! The collections, their indexes and queries; the only files that name MongoDB.

pub(crate) mod emails;
pub mod sessions;
pub(crate) mod throttles;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::aggregate::{ShardKey, Versioned};
use common::timestamp::Timestamp;
use mongodb::IndexModel;
use mongodb::bson::{DateTime, Document, doc};
use platform::store::error::StoreError;
use platform::store::{Store, index};
use sha2::{Digest as _, Sha256};

use crate::domain::email::EmailKey;
use crate::domain::user::User;

const ROLES_INDEX: &str = "roles_v1";

/// Maximum number of listed users with a role.
const MAX_STAFF: i64 = 10_000;

/// The index on addresses is not unique: see [`emails`].
pub(crate) fn user_indexes() -> Vec<IndexModel> {
    vec![
        index::named("email_v2", doc! { "state.email.key": 1 }),
        index::partial(ROLES_INDEX, doc! { "state.roles": 1 }, has_role()),
    ]
}

/// Matches the users that have a role: the field is absent in the others.
fn has_role() -> Document {
    doc! { "state.roles": { "$exists": true } }
}

/// The collections that contain no aggregates, with their shard keys and indexes.
pub(crate) fn non_aggregate_collections() -> [(&'static str, ShardKey, Vec<IndexModel>); 4] {
    let expiry = index::expiry("expiry_v1");
    let by_user = index::named("user_v1", doc! { "state.userId": 1, "_id": -1 });
    let by_session = index::named("session_v1", doc! { "sessionId": 1 });
    [
        (emails::EMAILS, ShardKey::ID, Vec::new()),
        (sessions::SESSIONS, ShardKey::ID, vec![by_user, expiry.clone()]),
        (sessions::TOKENS, ShardKey::ID, vec![by_session, expiry.clone()]),
        (throttles::THROTTLES, ShardKey::ID, vec![expiry]),
    ]
}

pub(crate) async fn find_user(users: &Store<User>, email: &EmailKey) -> Result<Option<Versioned<User>>, StoreError> {
    users.find_one(doc! { "state.email.key": email.as_str() }).await
}

/// The users that have a role, ordered by email address.
pub(crate) async fn find_staff(users: &Store<User>) -> Result<Vec<Versioned<User>>, StoreError> {
    users.find_by_index(ROLES_INDEX, has_role(), doc! { "state.email.key": 1 }, MAX_STAFF).await
}

fn date(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millis())
}

fn sha256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}
