//! Counters of failed and of successful sign-ins, and of sign-ups, in the database so that they count across all
//! instances.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use common::error::Error;
use common::id::UserId;
use common::timestamp::Timestamp;
use futures::TryStreamExt as _;
use futures::future::try_join_all;
use mongodb::bson::{Document, doc};
use mongodb::options::{Acknowledgment, CollectionOptions, ReturnDocument, WriteConcern};
use mongodb::{Collection, Database};
use platform::store::error::StoreError;
use serde::Deserialize;

use super::{date, sha256};
use crate::config::SignInLimits;
use crate::domain::email::EmailKey;
use crate::domain::throttle::{BackoffPolicy, client_network};

pub(super) const THROTTLES: &str = "throttles";
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone)]
pub(crate) struct Throttles {
    collection: Collection<ThrottleRecord>,
    /// The same collection, for the counts within a minute. A count that a failing server loses does no harm, so none
    /// waits for the journal.
    counts: Collection<ThrottleRecord>,
    limits: SignInLimits,
}

/// The counters of one key.
#[derive(Debug, Deserialize)]
struct ThrottleRecord {
    #[serde(rename = "_id")]
    key: String,
    /// Times of wrong passwords, oldest first.
    #[serde(default)]
    failures: Vec<Timestamp>,
    /// Number of sign-ups or sign-ins in the minute that is part of the key.
    #[serde(default)]
    count: i64,
}

/// The keys under which a password attempt is counted, each with the policy that applies to it.
pub(crate) struct Attempt([(String, BackoffPolicy); 2]);

/// Keys are hashed so that neither client nor email addresses are stored.
fn key(kind: &str, parts: &[&str]) -> String {
    format!("{kind}:{}", sha256(&parts.join("\n")))
}

impl Throttles {
    pub(crate) fn new(database: &Database, limits: SignInLimits) -> Self {
        let unjournaled = WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build();
        let options = CollectionOptions::builder().write_concern(unjournaled).build();
        let counts = database.collection_with_options(THROTTLES, options);
        Self { collection: database.collection(THROTTLES), counts, limits }
    }

    /// An attempt on the account, which may not exist, from this client address.
    pub(crate) fn attempt(&self, account: &EmailKey, address: IpAddr) -> Attempt {
        let SignInLimits { signin_window: window, signin_backoff: initial_delay, .. } = self.limits;
        let policy = |threshold: NonZeroU32| BackoffPolicy { threshold: threshold.get(), window, initial_delay };
        let network = client_network(address);
        Attempt([
            (key("account", &[account.as_str(), &network]), policy(self.limits.signin_failures)),
            (key("address", &[&network]), policy(self.limits.signin_address_failures)),
        ])
    }

    /// Returns [`Error::RateLimited`] if the attempt is not allowed yet.
    pub(crate) async fn check(&self, Attempt(keys): &Attempt, now: Timestamp) -> Result<(), Error> {
        let filter = doc! { "_id": { "$in": keys.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>() } };
        let found = self.collection.find(filter).await.map_err(StoreError::from)?;
        let found: Vec<ThrottleRecord> = found.try_collect().await.map_err(StoreError::from)?;
        let delays = found.iter().filter_map(|record| {
            let (_, policy) = keys.iter().find(|(key, _)| *key == record.key)?;
            policy.retry_after(&record.failures, now)
        });
        rate_limit(delays.max())
    }

    /// Counts a failed attempt. Returns [`Error::RateLimited`] if the next one has to wait.
    pub(crate) async fn record_failure(&self, Attempt(keys): &Attempt, now: Timestamp) -> Result<(), Error> {
        let delays = try_join_all(keys.iter().map(|(key, policy)| self.push_failure(key, policy, now))).await?;
        rate_limit(delays.into_iter().flatten().max())
    }

    async fn push_failure(
        &self,
        key: &str,
        policy: &BackoffPolicy,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        let newest = -i64::from(policy.max_recorded_failures());
        // A failure counts for one window, and the delay after it is at most as long.
        let update = doc! {
            "$push": { "failures": { "$each": [now.to_string()], "$slice": newest } },
            "$set": { "expiresOn": date(now.plus(policy.window)) },
        };
        let record = upsert(&self.collection, key, update).await?;
        Ok(policy.retry_after(&record.failures, now))
    }

    /// Counts a sign-up. Returns [`Error::RateLimited`] after too many from this client network within the minute.
    pub(crate) async fn record_sign_up(&self, address: IpAddr, now: Timestamp) -> Result<(), Error> {
        self.count_in_minute("signup", &client_network(address), self.limits.signups_per_minute, now).await
    }

    /// Counts a sign-in with the correct password. Returns [`Error::RateLimited`] after too many to this account within
    /// the minute. Only somebody who knows the password can cause that.
    pub(crate) async fn record_sign_in(&self, user: UserId, now: Timestamp) -> Result<(), Error> {
        self.count_in_minute("signin", &user.to_string(), self.limits.signins_per_minute, now).await
    }

    async fn count_in_minute(&self, kind: &str, what: &str, limit: NonZeroU32, now: Timestamp) -> Result<(), Error> {
        let minute = now.as_seconds().div_euclid(60);
        let end = Timestamp::from_millis((minute + 1) * 60_000);
        let key = key(kind, &[what, &minute.to_string()]);
        // Kept a minute longer than it counts, so that a MongoDB clock that is slightly ahead does not reset it.
        let update = doc! { "$inc": { "count": 1_i64 }, "$set": { "expiresOn": date(end.plus(MINUTE)) } };
        let record = upsert(&self.counts, &key, update).await?;
        rate_limit((record.count > i64::from(limit.get())).then(|| end.since(now)))
    }
}

/// Updates or creates a record, and returns it.
async fn upsert(
    collection: &Collection<ThrottleRecord>,
    key: &str,
    update: Document,
) -> Result<ThrottleRecord, StoreError> {
    let mut repeated = false;
    loop {
        let write = collection.find_one_and_update(doc! { "_id": key }, update.clone());
        match write.upsert(true).return_document(ReturnDocument::After).await.map_err(StoreError::from) {
            Ok(Some(record)) => return Ok(record),
            // A concurrent upsert created the record first: update that one.
            Err(StoreError::Duplicate(_)) if !repeated => repeated = true,
            Err(error) => return Err(error),
            // Impossible: an upsert always returns the new document.
            Ok(None) => return Ok(ThrottleRecord { key: key.to_owned(), failures: Vec::new(), count: 0 }),
        }
    }
}

fn rate_limit(retry_after: Option<Duration>) -> Result<(), Error> {
    retry_after.map_or(Ok(()), |wait| Err(Error::RateLimited(wait)))
}
