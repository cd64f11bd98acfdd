//! The stored hash of a password.

use serde::{Deserialize, Serialize};

/// Algorithm, parameters, salt and hash as a PHC string; redacted in debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PasswordHash(pub(crate) String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_redacts_the_hash() {
        assert!(!format!("{:?}", PasswordHash("$argon2id$secret".to_owned())).contains("secret"));
    }
}
