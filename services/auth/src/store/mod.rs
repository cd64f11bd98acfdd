//! The collections, their indexes and queries; the only files that name MongoDB.

pub mod sessions;
pub mod throttles;
pub mod users;

use common::timestamp::Timestamp;
use mongodb::IndexModel;
use mongodb::bson::{DateTime, Document, doc};
use mongodb::options::IndexOptions;

/// The collections that hold no aggregates, with their indexes.
pub fn ordinary_collections() -> Vec<(&'static str, Vec<IndexModel>)> {
    vec![
        (sessions::SESSIONS, sessions::session_indexes()),
        (sessions::TOKENS, sessions::token_indexes()),
        (throttles::THROTTLES, throttles::indexes()),
    ]
}

fn index(name: &str, keys: Document, unique: bool) -> IndexModel {
    IndexModel::builder()
        .keys(keys)
        .options(IndexOptions::builder().name(name.to_owned()).unique(unique).build())
        .build()
}

/// MongoDB removes a document some time after its `expiresOn`, which must be one of its own dates.
fn expiry() -> IndexModel {
    let options = IndexOptions::builder().name("expiry_v1".to_owned()).expire_after(std::time::Duration::ZERO).build();
    IndexModel::builder().keys(doc! { "expiresOn": 1 }).options(options).build()
}

fn date(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.as_millis())
}
