//! Users: one for each email address.

use common::aggregate::Versioned;
use mongodb::IndexModel;
use mongodb::bson::doc;
use platform::store::Store;
use platform::store::error::StoreError;

use super::index;
use crate::domain::email::EmailKey;
use crate::domain::user::User;

/// The unique index that refuses a second account of one address.
pub const EMAIL_INDEX: &str = "email_v1";

/// Indexes of the users.
pub fn indexes() -> Vec<IndexModel> {
    vec![index(EMAIL_INDEX, doc! { "state.email.key": 1 }, true)]
}

/// The user with this address.
pub async fn by_email(users: &Store<User>, key: &EmailKey) -> Result<Option<Versioned<User>>, StoreError> {
    users.find_one(doc! { "state.email.key": key.as_str() }).await
}
