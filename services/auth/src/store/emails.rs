//! The user id of each email address, recorded before the account is stored.
//!
//! # Why
//! The address is the `_id`, so it is unique on a sharded cluster too; a unique index over it in the users' collection
//! would hold within one shard only. The record is written before the account, and the `_id` of the account decides
//! which sign-up creates it. A crash in between leaves a record without an account; the next sign-up with the address
//! creates the account.

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

    /// Returns the user id of this address. If the address is new, assigns it a new id.
    pub(crate) async fn assign(&self, key: EmailKey) -> Result<UserId, Error> {
        let record = EmailRecord { key, user: UserId::new() };
        match self.0.insert_one(&record).await.map_err(StoreError::from) {
            Ok(_) => Ok(record.user),
            Err(StoreError::Duplicate(_)) => {
                let earlier = mongo::find_by_id(&self.0, record.key.as_str()).await.map_err(StoreError::from)?;
                // Records are never removed, so this can't happen.
                Ok(earlier.ok_or(Error::Unavailable(None))?.user)
            }
            Err(error) => Err(error.into()),
        }
    }
}
