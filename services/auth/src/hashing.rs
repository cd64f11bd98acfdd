//! Password hashing: argon2id on threads of its own, a bounded number at once.
//!
//! # Why
//! One hash takes 19 MiB and some 20 ms of a CPU. Unbounded, a burst of sign-ins would take all
//! memory and starve everything else; on async threads, it would stop the service. The memory is kept
//! from one hash to the next: given back to the allocator, blocks of this size end up scattered over
//! its arenas, and a rush of sign-ins would leave ten times what it needs.

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
pub struct Hasher {
    slots: Arc<Semaphore>,
    memory: Memory,
    dummy: PasswordHash,
}

/// The right to hash one password after another.
pub struct Slot {
    permit: OwnedSemaphorePermit,
    memory: Memory,
    dummy: PasswordHash,
}

/// What is not in use: at most as many as hash at once.
type Memory = Arc<Mutex<Vec<Vec<Block>>>>;

impl Hasher {
    /// Hashes as many passwords at once as told; one for each CPU unless told.
    pub fn new(concurrency: Option<NonZeroUsize>) -> anyhow::Result<Self> {
        let cpus = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let slots = Arc::new(Semaphore::new(concurrency.unwrap_or(cpus).get().min(Semaphore::MAX_PERMITS)));
        let memory = Memory::default();
        let mut blocks = Vec::new();
        let dummy = hash(&rand::random::<[u8; 32]>(), &mut blocks).context("argon2 does not work on this machine")?;
        Ok(Self { slots, memory, dummy })
    }

    /// Waits for its turn.
    pub async fn slot(&self) -> Result<Slot, Error> {
        let permit = Arc::clone(&self.slots).acquire_owned().await.map_err(Error::internal)?;
        Ok(Slot { permit, memory: Arc::clone(&self.memory), dummy: self.dummy.clone() })
    }
}

impl Slot {
    /// The hash of a new password.
    pub async fn hash(self, password: Password) -> Result<PasswordHash, Error> {
        let (_, hash) = self.run("hash", move |blocks| hash(password.as_str().as_bytes(), blocks)).await?;
        hash.map_err(|error| Error::internal_message(format!("hashing: {error}")))
    }

    /// Whether the password is the one that was hashed. Without a hash the work is the same and the
    /// answer is no.
    pub async fn verify(self, password: Password, known: Option<PasswordHash>) -> Result<(Self, bool), Error> {
        let exists = known.is_some();
        let hash = known.unwrap_or_else(|| self.dummy.clone());
        let (slot, matches) =
            self.run("verify", move |blocks| verify(password.as_str().as_bytes(), &hash, blocks)).await?;
        let matches = matches.map_err(|error| Error::internal_message(format!("a stored hash: {error}")))?;
        Ok((slot, matches && exists))
    }

    /// Runs the work on a blocking thread. The permit goes with it: a request that is given up leaves
    /// its work running, which must still count.
    async fn run<T: Send + 'static>(
        self,
        operation: &'static str,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<(Self, T), Error> {
        let Self { permit, memory, dummy } = self;
        let shared = Arc::clone(&memory);
        let done = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let mut blocks = shared.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
            let result = work(&mut blocks);
            shared.lock().unwrap_or_else(PoisonError::into_inner).push(blocks);
            metrics::histogram!("password_hash_duration_seconds", "operation" => operation).record(began.elapsed());
            (permit, result)
        });
        let (permit, result) = done.await.map_err(Error::internal)?;
        Ok((Self { permit, memory, dummy }, result))
    }
}

fn argon2() -> Result<Argon2<'static>, argon2::Error> {
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(19 * 1024, 2, 1, None)?))
}

fn hash(password: &[u8], blocks: &mut Vec<Block>) -> Result<PasswordHash, argon2::password_hash::Error> {
    let (argon2, salt) = (argon2()?, rand::random::<[u8; Salt::RECOMMENDED_LENGTH]>());
    let hash = Phc {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(Salt::new(&salt)?),
        hash: Some(output(&argon2, password, &salt, Params::DEFAULT_OUTPUT_LEN, blocks)?),
    };
    Ok(PasswordHash(hash.to_string()))
}

/// By the parameters that the hash was made with. An error means that what is stored is no hash.
fn verify(password: &[u8], hash: &PasswordHash, blocks: &mut Vec<Block>) -> Result<bool, argon2::password_hash::Error> {
    let hash = Phc::new(&hash.0)?;
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return Err(argon2::password_hash::Error::PasswordInvalid);
    };
    let algorithm = Algorithm::try_from(hash.algorithm.as_str())?;
    let version = hash.version.map(Version::try_from).transpose()?.unwrap_or_default();
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&hash)?);
    // This comparison takes the same time wherever they differ.
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
    fn the_parameters_are_those_that_were_decided() {
        let blocks = &mut Vec::new();
        let one = hash("correct horse".as_bytes(), blocks).unwrap();
        assert!(one.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", one.0);
        assert_ne!(one, hash("correct horse".as_bytes(), blocks).unwrap(), "the salt is new each time");
        assert_eq!(verify("correct horse".as_bytes(), &one, blocks), Ok(true));
        assert_eq!(verify("correct mule".as_bytes(), &one, blocks), Ok(false));
        assert!(verify("correct horse".as_bytes(), &PasswordHash("nonsense".to_owned()), blocks).is_err());
    }

    #[tokio::test]
    async fn nobody_matches_the_hash_of_nobody() {
        let hasher = Hasher::new(NonZeroUsize::new(1)).unwrap();
        let hash = hasher.slot().await.unwrap().hash(Password::new("correct horse")).await.unwrap();
        for (known, expected) in [(Some(hash), true), (None, false)] {
            let slot = hasher.slot().await.unwrap();
            let (_, matches) = slot.verify(Password::new("correct horse"), known).await.unwrap();
            assert_eq!(matches, expected);
        }
        assert_eq!(hasher.memory.lock().unwrap().len(), 1, "one after the other, in the same memory");
    }

    #[tokio::test]
    async fn no_more_run_at_once_than_were_allowed() {
        let hasher = Hasher::new(NonZeroUsize::new(2)).unwrap();
        let slots = (hasher.slot().await.unwrap(), hasher.slot().await.unwrap());
        assert_eq!(hasher.slots.available_permits(), 0);
        // A request that is given up: its work goes on, and keeps its place while it does.
        let (started, began) = std::sync::mpsc::channel();
        let (finish, told) = std::sync::mpsc::channel::<()>();
        let work = slots.0.run("hash", move |_| {
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
