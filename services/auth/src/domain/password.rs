//! Which passwords are good enough, and the hash that is kept of one.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// How many characters a password has.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=128;

/// What people choose most often, of at least eight characters, in lower case: what is guessed first.
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().filter(|line| !line.starts_with('#')).collect());

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("must have 8 to 128 characters")]
    Length,
    /// Among those that are tried first.
    #[error("is one of the commonest passwords; choose another")]
    Common,
}

/// Whether the password is good enough for a new account.
pub fn check(password: &str) -> Result<(), PasswordError> {
    if !LENGTH.contains(&password.chars().count()) {
        Err(PasswordError::Length)
    } else if COMMON.contains(password.to_lowercase().as_str()) {
        Err(PasswordError::Common)
    } else {
        Ok(())
    }
}

/// What is kept of a password: algorithm, parameters, salt and hash, as a PHC string.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_counted_in_characters() {
        assert_eq!(check("sieben7"), Err(PasswordError::Length));
        assert_eq!(check("пароль1"), Err(PasswordError::Length));
        assert_eq!(check("achtacht"), Ok(()));
        assert_eq!(check(&"ß".repeat(128)), Ok(()));
        assert_eq!(check(&"ß".repeat(129)), Err(PasswordError::Length));
    }

    #[test]
    fn common_ones_are_refused_in_any_case() {
        for common in ["password", "PassWord1", "12345678", "QWERTYUIOP", "iloveyou"] {
            assert_eq!(check(common), Err(PasswordError::Common), "{common}");
        }
        assert_eq!(check("password of mine"), Ok(()));
    }

    #[test]
    fn every_line_of_the_list_can_match() {
        assert!(COMMON.len() > 200);
        for line in COMMON.iter() {
            assert_eq!(line.trim().to_lowercase(), **line);
            assert!(LENGTH.contains(&line.chars().count()), "{line}: the length alone refuses it");
        }
    }

    #[test]
    fn a_hash_does_not_show_itself() {
        assert!(!format!("{:?}", PasswordHash("$argon2id$secret".to_owned())).contains("secret"));
    }
}
