//! Who tried how often: in the database, so that it counts over all instances.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::timestamp::Timestamp;
use futures::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use mongodb::options::ReturnDocument;
use mongodb::{Collection, Database, IndexModel};
use platform::store::error::StoreError;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{date, expiry};
use crate::config::Limits;
use crate::domain::email::EmailKey;
use crate::domain::throttle::{Limit, network};

pub(super) const THROTTLES: &str = "throttles";
const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn indexes() -> Vec<IndexModel> {
    vec![expiry()]
}

/// The collection of attempts.
#[derive(Clone)]
pub struct Throttles {
    collection: Collection<Record>,
    limits: Limits,
}

/// What is known of one who tries.
#[derive(Debug, Deserialize)]
struct Record {
    #[serde(rename = "_id")]
    key: String,
    /// When a password was wrong, oldest first.
    #[serde(default)]
    failures: Vec<Timestamp>,
    /// Sign-ups in this minute.
    #[serde(default)]
    count: i64,
}

/// Somebody gives a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    account: String,
    address: String,
}

impl Attempt {
    /// To this account (whether there is one or not) from this address.
    pub fn new(account: &EmailKey, address: IpAddr) -> Self {
        let address = network(address);
        Self { account: key("account", &[account.as_str(), &address]), address: key("address", &[&address]) }
    }
}

/// What is stored is a hash: neither addresses of machines nor of people lie about.
fn key(kind: &str, parts: &[&str]) -> String {
    format!("{kind}:{}", URL_SAFE_NO_PAD.encode(Sha256::digest(parts.join("\n"))))
}

impl Throttles {
    /// The collection in this database.
    pub fn new(database: &Database, limits: Limits) -> Self {
        Self { collection: database.collection(THROTTLES), limits }
    }

    fn limit_of(&self, failures: u32) -> Limit {
        Limit { failures, window: self.limits.signin_window, backoff: self.limits.signin_backoff }
    }

    /// The records of an attempt, each with what it is held to.
    fn limits_of<'a>(&self, attempt: &'a Attempt) -> [(&'a String, Limit); 2] {
        [
            (&attempt.account, self.limit_of(self.limits.signin_failures.get())),
            (&attempt.address, self.limit_of(self.limits.signin_address_failures.get())),
        ]
    }

    /// How long this attempt has to wait; `None` when it may be made.
    pub async fn wait(&self, attempt: &Attempt, now: Timestamp) -> Result<Option<Duration>, StoreError> {
        let filter = doc! { "_id": { "$in": [&attempt.account, &attempt.address] } };
        let found: Vec<Record> = self.collection.find(filter).await?.try_collect().await?;
        let limits = self.limits_of(attempt);
        let waits = found.iter().filter_map(|record| {
            let (_, limit) = limits.iter().find(|(key, _)| **key == record.key)?;
            limit.wait(&record.failures, now)
        });
        Ok(waits.max())
    }

    /// The attempt failed; how long the next has to wait.
    pub async fn failed(&self, attempt: &Attempt, now: Timestamp) -> Result<Option<Duration>, StoreError> {
        let [account, address] = self.limits_of(attempt);
        let (account, address) = tokio::try_join!(self.note(account, now), self.note(address, now))?;
        Ok(account.max(address))
    }

    async fn note(&self, (key, limit): (&String, Limit), now: Timestamp) -> Result<Option<Duration>, StoreError> {
        let newest = -i64::from(limit.remembered());
        // A failure counts for a window, and the wait after it lasts at most as long.
        let update = doc! {
            "$push": { "failures": { "$each": [now.to_string()], "$slice": newest } },
            "$set": { "expiresOn": date(now.plus(limit.window)) },
        };
        let record = self.upsert(key, update).await?;
        Ok(limit.wait(&record.failures, now))
    }

    /// Counts a sign-up from this address; how long to wait when there were too many in this minute.
    pub async fn sign_up(&self, address: IpAddr, now: Timestamp) -> Result<Option<Duration>, StoreError> {
        let minute = now.as_seconds().div_euclid(60);
        let end = Timestamp::from_millis((minute + 1) * 60_000);
        let key = key("signup", &[&network(address), &minute.to_string()]);
        let update = doc! { "$inc": { "count": 1_i64 }, "$set": { "expiresOn": date(end.plus(MINUTE)) } };
        let record = self.upsert(&key, update).await?;
        Ok((record.count > i64::from(self.limits.signups_per_minute.get())).then(|| end.since(now)))
    }

    /// Updates a record that may not be there yet; the record as it then is.
    async fn upsert(&self, key: &str, update: Document) -> Result<Record, StoreError> {
        let mut repeated = false;
        loop {
            let write = self.collection.find_one_and_update(doc! { "_id": key }, update.clone());
            match write.upsert(true).return_document(ReturnDocument::After).await.map_err(StoreError::from) {
                Ok(Some(record)) => return Ok(record),
                // Two upserts of a new record met, and the other one was faster: now there is a record.
                Err(StoreError::Duplicate(_)) if !repeated => repeated = true,
                Err(error) => return Err(error),
                Ok(None) => return Ok(Record { key: key.to_owned(), failures: Vec::new(), count: 0 }),
            }
        }
    }
}
