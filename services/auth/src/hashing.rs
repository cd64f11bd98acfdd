//! Password hashing: argon2id on blocking threads, with bounded concurrency.
//!
//! # Why
//! One hash takes 19 MiB and some 20 ms of a CPU. Unbounded, a burst of sign-ins would take all memory and starve
//! everything else; on async threads, it would stop the service. Work memory is pooled: the allocator would scatter
//! blocks of this size over its arenas, and a burst would leave the process with ten times the memory it needs.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use common::api::users::Password;
use common::error::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::password::PasswordHash;

/// Hashes and verifies passwords.
#[derive(Clone)]
pub(crate) struct Hasher {
    permits: Arc<Semaphore>,
    /// Idle work buffers, at most one per permit.
    buffers: Arc<Mutex<Vec<Vec<Block>>>>,
    /// Verified in place of an unknown account's hash.
    dummy: PasswordHash,
}

/// Permission to run one hash at a time.
pub(crate) struct HashPermit {
    _permit: OwnedSemaphorePermit,
    hasher: Hasher,
}

impl Hasher {
    /// Runs at most `concurrency` hashes at once; by default one per CPU.
    pub(crate) fn new(concurrency: Option<NonZeroUsize>) -> anyhow::Result<Self> {
        let cpus = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let permits = Arc::new(Semaphore::new(concurrency.unwrap_or(cpus).get().min(Semaphore::MAX_PERMITS)));
        let dummy =
            hash(&rand::random::<[u8; 32]>(), &mut Vec::new()).context("argon2 does not work on this machine")?;
        Ok(Self { permits, buffers: Arc::default(), dummy })
    }

    /// Waits for a permit.
    pub(crate) async fn acquire(&self) -> Result<HashPermit, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(Error::internal)?;
        Ok(HashPermit { _permit: permit, hasher: self.clone() })
    }
}

impl HashPermit {
    pub(crate) async fn hash(self, password: Password) -> Result<PasswordHash, Error> {
        let (_, hash) = self.run("hash", move |blocks| hash(password.as_str().as_bytes(), blocks)).await?;
        hash.map_err(|error| Error::internal_message(format!("hashing: {error}")))
    }

    /// Whether the password matches `stored`. Without a stored hash it does the same work and returns false.
    pub(crate) async fn verify(self, password: Password, stored: Option<PasswordHash>) -> Result<(Self, bool), Error> {
        let exists = stored.is_some();
        let hash = stored.unwrap_or_else(|| self.hasher.dummy.clone());
        let (permit, matches) =
            self.run("verify", move |blocks| verify(password.as_str().as_bytes(), &hash, blocks)).await?;
        let matches = matches.map_err(|error| Error::internal_message(format!("invalid stored hash: {error}")))?;
        Ok((permit, matches && exists))
    }

    /// Runs the work on a blocking thread. The permit moves there, too: the hash of a cancelled request goes on, and
    /// must occupy its permit until it ends.
    async fn run<T: Send + 'static>(
        self,
        operation: &'static str,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<(Self, T), Error> {
        let done = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let pool = || self.hasher.buffers.lock().unwrap_or_else(PoisonError::into_inner);
            let mut blocks = pool().pop().unwrap_or_default();
            let result = work(&mut blocks);
            pool().push(blocks);
            metrics::histogram!("password_hash_duration_seconds", "operation" => operation).record(started.elapsed());
            (self, result)
        });
        done.await.map_err(Error::internal)
    }
}

fn hash(password: &[u8], blocks: &mut Vec<Block>) -> Result<PasswordHash, argon2::password_hash::Error> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 * 1024, 2, 1, None)?);
    let salt = rand::random::<[u8; Salt::RECOMMENDED_LENGTH]>();
    let hash = Phc {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(Salt::new(&salt)?),
        hash: Some(output(&argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN, blocks)?),
    };
    Ok(PasswordHash(hash.to_string()))
}

/// Uses the parameters stored in the hash. An error means that the stored text is not a hash.
fn verify(password: &[u8], hash: &PasswordHash, blocks: &mut Vec<Block>) -> Result<bool, argon2::password_hash::Error> {
    let hash = Phc::new(&hash.0)?;
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return Err(argon2::password_hash::Error::PasswordInvalid);
    };
    let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
    let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&hash)?);
    // A constant-time comparison.
    Ok(output(&argon2, password, salt, expected.len(), blocks)? == *expected)
}

fn output(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    length: usize,
    blocks: &mut Vec<Block>,
) -> Result<Output, argon2::password_hash::Error> {
    blocks.resize(argon2.params().block_count(), Block::new());
    let mut out = vec![0; length];
    argon2.hash_password_into_with_memory(password, salt, &mut out, blocks)?;
    Ok(Output::new(&out)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_uses_the_pinned_argon2_parameters() {
        let blocks = &mut Vec::new();
        let one = hash("correct horse".as_bytes(), blocks).unwrap();
        assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.0);
        assert_ne!(one, hash("correct horse".as_bytes(), blocks).unwrap(), "each hash has a new salt");
        assert_eq!(verify("correct horse".as_bytes(), &one, blocks), Ok(true));
        assert_eq!(verify("correct mule".as_bytes(), &one, blocks), Ok(false));
        assert!(verify("correct horse".as_bytes(), &PasswordHash("nonsense".to_owned()), blocks).is_err());
    }

    #[tokio::test]
    async fn unknown_account_never_matches() {
        let hasher = Hasher::new(NonZeroUsize::new(1)).unwrap();
        let hash = hasher.acquire().await.unwrap().hash(Password::new("correct horse")).await.unwrap();
        for (stored, expected) in [(Some(hash), true), (None, false)] {
            let permit = hasher.acquire().await.unwrap();
            let (_, matches) = permit.verify(Password::new("correct horse"), stored).await.unwrap();
            assert_eq!(matches, expected);
        }
        assert_eq!(hasher.buffers.lock().unwrap().len(), 1, "sequential hashes share one buffer");
    }

    #[tokio::test]
    async fn concurrency_is_bounded_even_for_cancelled_requests() {
        let hasher = Hasher::new(NonZeroUsize::new(2)).unwrap();
        let permits = (hasher.acquire().await.unwrap(), hasher.acquire().await.unwrap());
        assert_eq!(hasher.permits.available_permits(), 0);
        // The work of a cancelled request goes on and keeps its permit until it ends.
        let (started, has_started) = std::sync::mpsc::channel();
        let (finish, may_finish) = std::sync::mpsc::channel::<()>();
        let work = permits.0.run("hash", move |_| {
            started.send(()).unwrap();
            may_finish.recv().ok();
        });
        {
            let mut work = Box::pin(work);
            assert!(futures::poll!(&mut work).is_pending());
            has_started.recv().unwrap();
        }
        assert_eq!(hasher.permits.available_permits(), 0);
        finish.send(()).unwrap();
        let permit = hasher.acquire().await.unwrap();
        drop((permit, permits.1));
        assert_eq!(hasher.permits.available_permits(), 2);
    }
}
