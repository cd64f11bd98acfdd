//! A signed-in device: a family of refresh tokens, of which only those of the current rotation are valid.
//!
//! # Why
//! Tokens are numbered by the rotation that issued them. Two tabs that use the same token concurrently both receive a
//! token of the next rotation, so neither is signed out. If a token is reused after the grace period, one of its two
//! users has stolen it. The thief and the owner can't be distinguished, so the whole family is revoked.

use std::time::Duration;

use common::id::{SessionId, UserId};
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// Maximum number of rotations whose tokens are remembered as retired. Concurrent tabs don't retire more than these
/// within the grace period.
const MAX_RETIRED_TOKENS: usize = 16;

#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionPolicy {
    /// Idle time after which a session ends.
    pub(crate) idle_timeout: Duration,
    /// How long a replaced token is still accepted.
    pub(crate) grace_period: Duration,
}

/// A signed-in device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Id of the session, the `sid` of its access tokens.
    pub id: SessionId,
    /// The signed-in user.
    pub user_id: UserId,
    /// The browser's `User-Agent`.
    pub device: Option<String>,
    /// Number of the current rotation of refresh tokens: 0 at sign-in, incremented by each rotation.
    pub rotation: i64,
    /// Recently retired tokens, by their rotation, oldest first.
    pub retired: Vec<RetiredToken>,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When a refresh token was last used.
    pub last_used_at: Timestamp,
    /// When the session ends if no token is used before.
    pub expires_at: Timestamp,
}

/// The tokens of a rotation that the next rotation has retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiredToken {
    pub(crate) rotation: i64,
    /// When they were retired.
    pub(crate) at: Timestamp,
}

/// What happens to a valid refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RefreshOutcome {
    /// The token was of the current rotation: the session after the rotation.
    Rotated(Session),
    /// The token was replaced within the grace period: issue another token of the current rotation.
    Reissue,
}

/// Why a refresh token is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenError {
    /// The session has expired.
    Expired,
    /// The token was replaced longer ago than the grace period: the family must be revoked.
    Reused,
    /// The token is of a rotation that has not happened yet.
    NeverIssued,
}

impl Session {
    /// Creates the session of a new sign-in.
    pub(crate) fn open(
        id: SessionId,
        user_id: UserId,
        device: Option<String>,
        now: Timestamp,
        policy: &SessionPolicy,
    ) -> Self {
        Self {
            id,
            user_id,
            device,
            rotation: 0,
            retired: Vec::new(),
            created_at: now,
            last_used_at: now,
            expires_at: now.plus(policy.idle_timeout),
        }
    }

    /// Redeems a refresh token of the given rotation.
    pub(crate) fn redeem(
        &self,
        rotation: i64,
        now: Timestamp,
        policy: &SessionPolicy,
    ) -> Result<RefreshOutcome, TokenError> {
        if now >= self.expires_at {
            return Err(TokenError::Expired);
        }
        if rotation > self.rotation {
            return Err(TokenError::NeverIssued);
        }
        let mut retired = self.retired.clone();
        retired.retain(|retired| now.since(retired.at) <= policy.grace_period);
        if rotation < self.rotation {
            let in_grace = retired.iter().any(|retired| retired.rotation == rotation);
            return if in_grace { Ok(RefreshOutcome::Reissue) } else { Err(TokenError::Reused) };
        }
        retired.push(RetiredToken { rotation, at: now });
        let excess = retired.len().saturating_sub(MAX_RETIRED_TOKENS);
        retired.drain(..excess);
        Ok(RefreshOutcome::Rotated(Self {
            rotation: self.rotation + 1,
            retired,
            last_used_at: now,
            expires_at: now.plus(policy.idle_timeout),
            ..self.clone()
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: SessionPolicy =
        SessionPolicy { idle_timeout: Duration::from_secs(3600), grace_period: Duration::from_secs(10) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn open() -> Session {
        Session::open(SessionId::new(), UserId::new(), None, at(0), &POLICY)
    }

    fn rotate(session: &Session, now: i64) -> Session {
        match session.redeem(session.rotation, at(now), &POLICY) {
            Ok(RefreshOutcome::Rotated(next)) => next,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn redeeming_a_token_extends_the_session() {
        let session = rotate(&open(), 3000);
        assert_eq!((session.rotation, session.last_used_at, session.expires_at), (1, at(3000), at(6600)));
        assert!(session.redeem(1, at(6599), &POLICY).is_ok());
        assert_eq!(session.redeem(1, at(6600), &POLICY), Err(TokenError::Expired));
    }

    #[test]
    fn outcome_by_generation_and_age() {
        // Rotated at 100, 105 and 108: rotation 3 is current.
        let session = rotate(&rotate(&rotate(&open(), 100), 105), 108);
        let reissue = Ok(RefreshOutcome::Reissue);
        let table = [
            (108, [&reissue, &reissue, &reissue]),
            (110, [&reissue, &reissue, &reissue]),
            (111, [&Err(TokenError::Reused), &reissue, &reissue]),
            (116, [&Err(TokenError::Reused), &Err(TokenError::Reused), &reissue]),
            (118, [&Err(TokenError::Reused), &Err(TokenError::Reused), &reissue]),
            (119, [&Err(TokenError::Reused), &Err(TokenError::Reused), &Err(TokenError::Reused)]),
        ];
        for (now, expected) in table {
            for (rotation, expected) in (0..).zip(expected) {
                assert_eq!(&session.redeem(rotation, at(now), &POLICY), expected, "{rotation} at {now}");
            }
            assert!(matches!(session.redeem(3, at(now), &POLICY), Ok(RefreshOutcome::Rotated(_))), "at {now}");
            assert_eq!(session.redeem(4, at(now), &POLICY), Err(TokenError::NeverIssued), "at {now}");
        }
    }

    #[test]
    fn number_of_retired_generations_is_bounded() {
        let session = (0..100).fold(open(), |session, _| rotate(&session, 5));
        assert_eq!((session.rotation, session.retired.len()), (100, MAX_RETIRED_TOKENS));
        assert_eq!(rotate(&session, 60).retired.len(), 1);
    }

    proptest::proptest! {
        #[test]
        fn replaced_token_never_rotates(steps in proptest::collection::vec((0_i64..6, 0_i64..20), 1..40)) {
            let (mut session, mut now) = (open(), 0);
            for (back, later) in steps {
                now += later;
                let rotation = session.rotation - back;
                match session.redeem(rotation, at(now), &POLICY) {
                    Ok(RefreshOutcome::Rotated(next)) => {
                        proptest::prop_assert_eq!(rotation, session.rotation);
                        proptest::prop_assert_eq!(next.rotation, rotation + 1);
                        session = next;
                    }
                    Ok(RefreshOutcome::Reissue) => proptest::prop_assert!(rotation < session.rotation),
                    Err(error) => {
                        proptest::prop_assert_eq!(error, TokenError::Reused);
                        proptest::prop_assert!(rotation < session.rotation);
                    }
                }
            }
        }
    }
}
