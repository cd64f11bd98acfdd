//! Password hashing: argon2id on threads of its own, a bounded number at once.
//!
//! # Why
//! One hash takes 19 MiB and some 20 ms of a CPU. Unbounded, a burst of sign-ins would take all
//! memory and starve everything else; on async threads, it would stop the service.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use common::error::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::password::PasswordHash;

/// Hashes and verifies passwords.
#[derive(Clone)]
pub struct Hasher {
    slots: Arc<Semaphore>,
    dummy: PasswordHash,
}

/// The right to hash one password after another.
pub struct Slot {
    permit: OwnedSemaphorePermit,
    dummy: PasswordHash,
}

impl Hasher {
    /// Hashes as many passwords at once as told; one for each CPU unless told.
    pub fn new(concurrency: Option<NonZeroUsize>) -> anyhow::Result<Self> {
        let cpus = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let slots = Arc::new(Semaphore::new(concurrency.unwrap_or(cpus).get().min(Semaphore::MAX_PERMITS)));
        let dummy = hash(&rand::random::<[u8; 32]>()).context("argon2 does not work on this machine")?;
        Ok(Self { slots, dummy })
    }

    /// Waits for its turn.
    pub async fn slot(&self) -> Result<Slot, Error> {
        let permit = Arc::clone(&self.slots).acquire_owned().await.map_err(Error::internal)?;
        Ok(Slot { permit, dummy: self.dummy.clone() })
    }
}

impl Slot {
    /// The hash of a new password.
    pub async fn hash(self, password: String) -> Result<PasswordHash, Error> {
        let (_, hash) = self.run("hash", move || hash(password.as_bytes())).await?;
        hash.map_err(|error| Error::internal_message(format!("hashing: {error}")))
    }

    /// Whether the password is the one that was hashed. Without a hash the work is the same and the
    /// answer is no.
    pub async fn verify(self, password: String, known: Option<PasswordHash>) -> Result<(Self, bool), Error> {
        let exists = known.is_some();
        let hash = known.unwrap_or_else(|| self.dummy.clone());
        let (slot, matches) = self.run("verify", move || verify(password.as_bytes(), &hash)).await?;
        let matches = matches.map_err(|error| Error::internal_message(format!("a stored hash: {error}")))?;
        Ok((slot, matches && exists))
    }

    /// Runs the work on a blocking thread. The permit goes with it: a request that is given up leaves
    /// its work running, which must still count.
    async fn run<T: Send + 'static>(
        self,
        operation: &'static str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(Self, T), Error> {
        let Self { permit, dummy } = self;
        let done = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let result = work();
            metrics::histogram!("password_hash_duration_seconds", "operation" => operation).record(began.elapsed());
            (permit, result)
        });
        let (permit, result) = done.await.map_err(Error::internal)?;
        Ok((Self { permit, dummy }, result))
    }
}

fn argon2() -> Result<Argon2<'static>, argon2::Error> {
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 * 1024, 2, 1, None)?))
}

fn hash(password: &[u8]) -> Result<PasswordHash, argon2::password_hash::Error> {
    let hash: Phc = argon2().map_err(argon2::password_hash::Error::from)?.hash_password(password)?;
    Ok(PasswordHash(hash.to_string()))
}

/// An error means that what is stored is no hash.
fn verify(password: &[u8], hash: &PasswordHash) -> Result<bool, argon2::password_hash::Error> {
    match argon2()?.verify_password(password, hash.0.as_str()) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_are_those_that_were_decided() {
        let one = hash("correct horse".as_bytes()).unwrap();
        assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.0);
        assert_ne!(one, hash("correct horse".as_bytes()).unwrap(), "the salt is new each time");
        assert_eq!(verify("correct horse".as_bytes(), &one), Ok(true));
        assert_eq!(verify("correct mule".as_bytes(), &one), Ok(false));
        assert!(verify("correct horse".as_bytes(), &PasswordHash("nonsense".to_owned())).is_err());
    }

    #[tokio::test]
    async fn nobody_matches_the_hash_of_nobody() {
        let hasher = Hasher::new(NonZeroUsize::new(1)).unwrap();
        let hash = hasher.slot().await.unwrap().hash("correct horse".to_owned()).await.unwrap();
        for (known, expected) in [(Some(hash), true), (None, false)] {
            let slot = hasher.slot().await.unwrap();
            let (_, matches) = slot.verify("correct horse".to_owned(), known).await.unwrap();
            assert_eq!(matches, expected);
        }
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_were_allowed() {
        let hasher = Hasher::new(NonZeroUsize::new(2)).unwrap();
        let slots = (hasher.slot().await.unwrap(), hasher.slot().await.unwrap());
        assert_eq!(hasher.slots.available_permits(), 0);
        // A request that is given up: its work goes on, and keeps its place while it does.
        let (started, began) = std::sync::mpsc::channel();
        let (finish, told) = std::sync::mpsc::channel::<()>();
        let work = slots.0.run("hash", move || {
            started.send(()).unwrap();
            told.recv().ok();
        });
        {
            let mut work = Box::pin(work);
            assert!(futures::poll!(&mut work).is_pending());
            began.recv().unwrap();
        }
        assert_eq!(hasher.slots.available_permits(), 0);
        finish.send(()).unwrap();
        let slot = hasher.slot().await.unwrap();
        drop((slot, slots.1));
        assert_eq!(hasher.slots.available_permits(), 2);
    }
}
