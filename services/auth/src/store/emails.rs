//! Which user an email address belongs to, or will belong to once the account is stored.
//!
//! # Why
//! The address is the `_id`, so it is unique on a sharded cluster too; a unique index of the users over it would hold
//! within one shard only. The record is written before the account, and `_id` of the users decides which sign-up creates
//! it. A crash in between leaves a record without an account, which the next sign-up with the address creates.

use common::error::Error;
use common::id::UserId;
use mongodb::{Collection, Database};
use platform::mongo;
use platform::store::error::StoreError;
use serde::{Deserialize, Serialize};

use crate::domain::email::EmailKey;

pub(super) const EMAILS: &str = "emails";

#[derive(Debug, Serialize, Deserialize)]
struct EmailRecord {
    #[serde(rename = "_id")]
    key: EmailKey,
    user: UserId,
}

/// The collection of email addresses.
#[derive(Clone)]
pub(crate) struct Emails(Collection<EmailRecord>);

impl Emails {
    pub(crate) fn new(database: &Database) -> Self {
        Self(database.collection(EMAILS))
    }

    /// Returns the id of the user with this address, which is a new one if the address is.
    pub(crate) async fn assign(&self, key: EmailKey) -> Result<UserId, Error> {
        let record = EmailRecord { key, user: UserId::new() };
        match self.0.insert_one(&record).await.map_err(StoreError::from) {
            Ok(_) => Ok(record.user),
            Err(StoreError::Duplicate(_)) => {
                let earlier = mongo::find_by_id(&self.0, record.key.as_str()).await.map_err(StoreError::from)?;
                // Nothing removes a record.
                Ok(earlier.ok_or(Error::Unavailable(None))?.user)
            }
            Err(error) => Err(error.into()),
        }
    }
}
