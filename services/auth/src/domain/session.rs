//! A signed-in device: a family of refresh tokens of which the newest generation is good.
//!
//! # Why
//! Tokens are numbered by generation. Two tabs that race with the same token both get one of the
//! next generation, so neither is signed out; and a token that comes back after its time was stolen
//! from one side or the other, which can't be told apart, so the whole family ends.

use std::time::Duration;

use common::id::{SessionId, UserId};
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// How many replaced generations are remembered: more within the grace period is no race of tabs.
const REMEMBERED: usize = 16;

/// How long sessions and tokens last.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// After how long without use a session ends.
    pub session: Duration,
    /// How long a replaced token is still answered.
    pub grace: Duration,
}

/// A signed-in device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its id, the `sid` of its access tokens.
    pub id: SessionId,
    /// Whose it is.
    pub user_id: UserId,
    /// What the browser calls itself.
    pub device: Option<String>,
    /// The generation of tokens that is good; 0 at sign-in, one more with each rotation.
    pub generation: i64,
    /// The generations that were replaced a moment ago.
    pub replaced: Vec<Replaced>,
    /// When they signed in.
    pub created_at: Timestamp,
    /// When a token was last used.
    pub last_used_at: Timestamp,
    /// When it ends unless it is used before.
    pub expires_at: Timestamp,
}

/// A generation of tokens that was replaced by the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// The generation.
    pub generation: i64,
    /// When it was replaced.
    pub at: Timestamp,
}

/// What a good token leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presented {
    /// It was of the present generation: the session as it is after the rotation.
    Rotated(Session),
    /// It was replaced a moment ago: another token of the present generation is given out.
    Sibling,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The session has ended.
    #[error("the session has expired")]
    Expired,
    /// The token was replaced longer ago than tabs race: the family must end.
    #[error("a refresh token was used again after its time")]
    Reused,
    /// The token was never given out.
    #[error("the refresh token is of a generation that does not exist yet")]
    Unknown,
}

impl Session {
    /// Somebody signs in.
    pub fn open(id: SessionId, user_id: UserId, device: Option<String>, now: Timestamp, lifetimes: &Lifetimes) -> Self {
        Self {
            id,
            user_id,
            device,
            generation: 0,
            replaced: Vec::new(),
            created_at: now,
            last_used_at: now,
            expires_at: now.plus(lifetimes.session),
        }
    }

    /// Whether it has not ended by itself.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// A token of this generation is presented.
    pub fn present(&self, generation: i64, now: Timestamp, lifetimes: &Lifetimes) -> Result<Presented, TokenError> {
        if !self.is_live(now) {
            return Err(TokenError::Expired);
        }
        if generation > self.generation {
            return Err(TokenError::Unknown);
        }
        let in_grace = |replaced: &&Replaced| now.since(replaced.at) <= lifetimes.grace;
        if generation < self.generation {
            let replaced = self.replaced.iter().filter(in_grace).any(|replaced| replaced.generation == generation);
            return if replaced { Ok(Presented::Sibling) } else { Err(TokenError::Reused) };
        }
        let mut replaced: Vec<_> = self.replaced.iter().filter(in_grace).copied().collect();
        replaced.push(Replaced { generation, at: now });
        let too_many = replaced.len().saturating_sub(REMEMBERED);
        replaced.drain(..too_many);
        Ok(Presented::Rotated(Self {
            generation: self.generation + 1,
            replaced,
            last_used_at: now,
            expires_at: now.plus(lifetimes.session),
            ..self.clone()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: Lifetimes = Lifetimes { session: Duration::from_secs(3600), grace: Duration::from_secs(10) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn open() -> Session {
        Session::open(SessionId::new(), UserId::new(), None, at(0), &LIFETIMES)
    }

    fn rotate(session: &Session, now: i64) -> Session {
        match session.present(session.generation, at(now), &LIFETIMES) {
            Ok(Presented::Rotated(next)) => next,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_use_moves_the_end_of_the_session() {
        let session = rotate(&open(), 3000);
        assert_eq!((session.generation, session.last_used_at, session.expires_at), (1, at(3000), at(6600)));
        assert!(session.is_live(at(6599)));
        assert_eq!(session.present(1, at(6600), &LIFETIMES), Err(TokenError::Expired));
    }

    #[test]
    fn every_generation_at_every_age() {
        // Rotated at 100, 105 and 108: generation 3 is good.
        let session = rotate(&rotate(&rotate(&open(), 100), 105), 108);
        let sibling = Ok(Presented::Sibling);
        let table = [
            (108, [&sibling, &sibling, &sibling]),
            (110, [&sibling, &sibling, &sibling]),
            (111, [&Err(TokenError::Reused), &sibling, &sibling]),
            (116, [&Err(TokenError::Reused), &Err(TokenError::Reused), &sibling]),
            (118, [&Err(TokenError::Reused), &Err(TokenError::Reused), &sibling]),
            (119, [&Err(TokenError::Reused), &Err(TokenError::Reused), &Err(TokenError::Reused)]),
        ];
        for (now, expected) in table {
            for (generation, expected) in (0..).zip(expected) {
                assert_eq!(&session.present(generation, at(now), &LIFETIMES), expected, "{generation} at {now}");
            }
            assert!(matches!(session.present(3, at(now), &LIFETIMES), Ok(Presented::Rotated(_))), "at {now}");
            assert_eq!(session.present(4, at(now), &LIFETIMES), Err(TokenError::Unknown), "at {now}");
        }
    }

    #[test]
    fn what_is_remembered_stays_small() {
        let session = (0..100).fold(open(), |session, _| rotate(&session, 5));
        assert_eq!((session.generation, session.replaced.len()), (100, REMEMBERED));
        assert_eq!(rotate(&session, 60).replaced.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn a_token_that_was_replaced_never_rotates(steps in proptest::collection::vec((0_i64..6, 0_i64..20), 1..40)) {
            let (mut session, mut now) = (open(), 0);
            for (back, later) in steps {
                now += later;
                let generation = session.generation - back;
                match session.present(generation, at(now), &LIFETIMES) {
                    Ok(Presented::Rotated(next)) => {
                        proptest::prop_assert_eq!(generation, session.generation);
                        proptest::prop_assert_eq!(next.generation, generation + 1);
                        session = next;
                    }
                    Ok(Presented::Sibling) => proptest::prop_assert!(generation < session.generation),
                    Err(error) => {
                        proptest::prop_assert_eq!(error, TokenError::Reused);
                        proptest::prop_assert!(generation < session.generation);
                    }
                }
            }
        }
    }
}
