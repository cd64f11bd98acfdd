//! The collections, their indexes and queries; the only files that name MongoDB.

pub mod sessions;
pub(crate) mod throttles;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::aggregate::Versioned;
use common::timestamp::Timestamp;
use mongodb::IndexModel;
use mongodb::bson::{DateTime, doc};
use mongodb::options::IndexOptions;
use platform::store::error::StoreError;
use platform::store::{Store, index};
use sha2::{Digest as _, Sha256};

use crate::domain::email::EmailKey;
use crate::domain::user::User;

/// The unique index that enforces one account per email address.
pub(crate) const EMAIL_INDEX: &str = "email_v1";

pub(crate) fn user_indexes() -> Vec<IndexModel> {
    vec![index::unique(EMAIL_INDEX, doc! { "state.email.key": 1 })]
}

/// The collections that hold no aggregates, with their indexes. In each, MongoDB removes a document some time after its
/// `expiresOn`, which must be a BSON date.
pub(crate) fn non_aggregate_collections() -> [(&'static str, Vec<IndexModel>); 3] {
    let ttl = IndexOptions::builder().name("expiry_v1".to_owned()).expire_after(Duration::ZERO).build();
    let expiry = IndexModel::builder().keys(doc! { "expiresOn": 1 }).options(ttl).build();
    let by_user = index::named("user_v1", doc! { "state.userId": 1, "_id": -1 });
    let by_session = index::named("session_v1", doc! { "sessionId": 1 });
    [
        (sessions::SESSIONS, vec![by_user, expiry.clone()]),
        (sessions::TOKENS, vec![by_session, expiry.clone()]),
        (throttles::THROTTLES, vec![expiry]),
    ]
}

pub(crate) async fn find_user(users: &Store<User>, email: &EmailKey) -> Result<Option<Versioned<User>>, StoreError> {
    users.find_one(doc! { "state.email.key": email.as_str() }).await
}

fn date(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millis())
}

fn sha256(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}
