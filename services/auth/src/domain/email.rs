//! Email addresses: validation and equality.

use common::validate;
use serde::{Deserialize, Serialize};

/// The text is not a valid email address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an email address such as ana@example.com")]
pub(crate) struct InvalidEmail;

/// A valid email address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Email {
    /// As the user entered it, without surrounding white space.
    pub(crate) address: String,
    /// Unique among users.
    pub(crate) key: EmailKey,
}

/// The normalised form of an address, by which addresses are compared: in lower case, without surrounding white space.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct EmailKey(String);

impl EmailKey {
    /// Normalises a text, which need not be an address. The key of a text that is not an address matches no user.
    pub(crate) fn of(text: &str) -> Self {
        Self(text.trim().to_ascii_lowercase())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Email {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let address = text.trim();
        validate::email(address).map_err(|_| InvalidEmail)?;
        Ok(Self { address: address.to_owned(), key: EmailKey::of(address) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deliverable_addresses_are_accepted_and_others_rejected() {
        for good in [
            "ana@example.com",
            " Ana.Lopez+tickets@Mail.Example.co.uk ",
            "o'neill@xn--bcher-kva.example",
            "1@2.io",
            "a_b-c@a-b.museum",
        ] {
            assert_eq!(Email::parse(good).map(|email| email.address), Ok(good.trim().to_owned()), "{good}");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        let longer = format!("a@{}.com", "b.".repeat(130));
        for bad in [
            "",
            "@",
            "ana",
            "ana@",
            "@example.com",
            "ana@localhost",
            "ana@example..com",
            "ana@.example.com",
            "a b@example.com",
            ".ana@example.com",
            "ana.@example.com",
            "a..b@example.com",
            "ana@-example.com",
            "ana@example-.com",
            "ana@127.0.0.1",
            "ana@example.c",
            "ana@exa_mple.com",
            "a@b@example.com",
            "\"ana\"@example.com",
            "ana@example.com\0",
            "ana@example.com\n.x",
            "аna@example.com",
            "ana@exämple.com",
            &long,
            &longer,
        ] {
            assert_eq!(Email::parse(bad), Err(InvalidEmail), "{bad:?}");
        }
    }

    #[test]
    fn case_is_ignored() {
        let key = |text| Email::parse(text).map(|email| email.key);
        assert_eq!(key("Ana@Example.COM"), key(" ana@example.com"));
        assert_ne!(key("ana@example.com"), key("ana@example.org"));
        assert_eq!(Ok(EmailKey::of("ANA@example.com ")), key("ana@example.com"));
    }

    proptest::proptest! {
        #[test]
        fn parsing_is_idempotent(text in "[!-~]{1,8}@[a-z0-9.-]{1,12}") {
            if let Ok(email) = Email::parse(&text) {
                proptest::prop_assert_eq!(Email::parse(&email.address), Ok(email.clone()));
                proptest::prop_assert_eq!(Email::parse(email.key.as_str()).map(|again| again.key), Ok(email.key));
            }
        }
    }
}
