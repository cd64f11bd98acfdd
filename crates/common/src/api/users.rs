//! Users and sessions.

use std::collections::HashSet;
use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize};
use unicode_normalization::UnicodeNormalization as _;
use utoipa::ToSchema;
use validator::{Validate, ValidateLength, ValidationError};

use super::endpoints;
use super::page::{Page, PageQuery};
use crate::id::{SessionId, UserId};
use crate::text::{self, Text};
use crate::timestamp::Timestamp;
use crate::validate::{self, invalid, invalid_part};

endpoints! { Auth;
    /// Create an account and sign in.
    SignUp { body: NewUser } = POST "/api/users/signup" -> User, 409 "email-in-use";
    /// Sign in.
    SignIn { body: Credentials } = POST "/api/users/signin" -> User, 401 "wrong-credentials";
    /// Sign out.
    SignOut { } = POST "/api/users/signout" -> ();
    /// Read the signed-in user, if any.
    ReadCurrentUser { } = GET "/api/users/currentuser" -> CurrentUser;
    /// Update your profile.
    UpdateProfile { body: Profile } = PUT "/api/users/me" -> User;
    /// Change your password.
    ChangePassword { body: NewPassword } = PUT "/api/users/password" -> (), 409 "password-changed";
    /// Exchange the refresh cookie for new cookies.
    Refresh { } = POST "/api/users/refresh" -> User;
    /// List your sessions.
    ListSessions { query: PageQuery } = GET "/api/users/sessions" -> Page<Session>;
    /// End a session.
    EndSession { id: SessionId } = DELETE "/api/users/sessions/{id}" -> ();
}

/// An account to create.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewUser {
    /// The email address for signing in, matched without regard to case.
    #[validate(custom(function = "validate::email"))]
    #[schema(value_type = String, format = "email", max_length = 254, example = "ana@example.com")]
    pub email: Text,
    /// The password; common passwords are rejected. It is normalised to Unicode NFC.
    #[validate(length(min = 8, max = 128), custom(function = "is_uncommon"))]
    #[schema(value_type = String, format = "password", min_length = 8, max_length = 128, example = "correct horse battery staple")]
    pub password: Password,
    /// The name that other users see. If it is absent or blank, a neutral name is generated, never derived from the
    /// email address.
    #[serde(default, deserialize_with = "text::blank_as_none", skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = Option<String>, max_length = 100, example = "Ana")]
    pub display_name: Option<Text>,
}

/// The credentials of a user.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credentials {
    /// The email address, matched without regard to case.
    #[validate(length(max = 254))]
    #[schema(value_type = String, format = "email", max_length = 254, example = "ana@example.com")]
    pub email: Text,
    /// The password.
    #[validate(length(max = 128))]
    #[schema(value_type = String, format = "password", max_length = 128, example = "correct horse battery staple")]
    pub password: Password,
}

/// The part of a user's account that the user may change.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// The name that other users see.
    #[validate(length(min = 1, max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = String, min_length = 1, max_length = 100, example = "Ana")]
    pub display_name: Text,
}

/// A change of password.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[validate(schema(function = "differs_from_current"))]
pub struct NewPassword {
    /// The current password.
    #[validate(length(max = 128))]
    #[schema(value_type = String, format = "password", max_length = 128, example = "correct horse battery staple")]
    pub current: Password,
    /// The new password; common passwords are rejected.
    #[validate(length(min = 8, max = 128), custom(function = "is_uncommon"))]
    #[schema(value_type = String, format = "password", min_length = 8, max_length = 128, example = "correct horse battery staple")]
    pub new: Password,
}

fn differs_from_current(passwords: &NewPassword) -> Result<(), ValidationError> {
    if passwords.new == passwords.current {
        return Err(invalid_part("new", "same", "must differ from the current password"));
    }
    Ok(())
}

/// An account as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The id of the user.
    pub id: UserId,
    /// The email address as written at sign-up.
    #[schema(format = "email")]
    pub email: String,
    /// The name that other users see.
    pub display_name: String,
    /// When the account was created.
    pub created_at: Timestamp,
}

/// The caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurrentUser {
    /// The signed-in user; null for anonymous requests.
    pub current_user: Option<User>,
}

/// A device on which the user is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The id of the session.
    pub id: SessionId,
    /// The device, as described by the browser's `User-Agent`.
    pub device: Option<String>,
    /// Whether this is the session of the current request.
    pub current: bool,
    /// When the user signed in.
    pub created_at: Timestamp,
    /// When the session was last used.
    pub last_used_at: Timestamp,
    /// When the session expires unless it is used before.
    pub expires_at: Timestamp,
}

/// A password in Unicode normal form C (NFC), with every kind of space as U+0020 (RFC 8265, `OpaqueString`), so that
/// the same letters and spaces are equal although keyboards and operating systems encode them differently.
///
/// `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Normalises a password as typed.
    pub fn new(typed: &str) -> Self {
        Self(typed.chars().map(|c| if is_space(c) { ' ' } else { c }).nfc().collect())
    }

    /// The normalised password.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character is a space separator (Zs), such as the no-break space that Option+Space types on a Mac.
fn is_space(c: char) -> bool {
    c.is_whitespace() && !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}')
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl<'de> Deserialize<'de> for Password {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer).map(|typed| Self::new(&typed))
    }
}

impl ValidateLength<u64> for Password {
    /// The number of characters.
    fn length(&self) -> Option<u64> {
        self.0.length()
    }
}

/// The most common passwords of at least eight characters, in lower case.
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().filter(|line| !line.starts_with('#')).collect());

fn is_uncommon(password: &Password) -> Result<(), ValidationError> {
    if COMMON.contains(password.0.to_lowercase().as_str()) {
        Err(invalid("common", "must be harder to guess: this password is very common"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::invalid_fields;

    fn error_of(password: &str) -> Option<String> {
        let user =
            NewUser { email: Text::new("ana@example.com"), password: Password::new(password), display_name: None };
        user.validate().err().map(|errors| invalid_fields(&errors)[0].message.clone())
    }

    #[test]
    fn length_is_counted_in_characters() {
        let length = Some("must have 8 to 128 characters".to_owned());
        for (password, error) in [
            ("sieben7", &length),
            ("пароль1", &length),
            ("achtacht", &None),
            (&"ß".repeat(128), &None),
            (&"ß".repeat(129), &length),
            // Eight code points that are seven characters in NFC, and a ligature that is one.
            ("siebene\u{301}", &length),
            ("\u{fdfa}", &length),
        ] {
            assert_eq!(error_of(password), *error, "{password}");
        }
    }

    #[test]
    fn common_passwords_are_rejected_case_insensitively() {
        for common in ["password", "PassWord1", "12345678", "QWERTYUIOP", "iloveyou"] {
            let error = error_of(common).unwrap();
            assert!(error.starts_with("must be harder to guess"), "{common}: {error}");
        }
        assert_eq!(error_of("password of mine"), None);
    }

    #[test]
    fn common_passwords_are_normalised_and_of_valid_length() {
        assert!(COMMON.len() > 200);
        for line in COMMON.iter() {
            assert_eq!(Password::new(line.trim()).as_str().to_lowercase(), **line);
            assert!((8..=128).contains(&line.chars().count()), "{line} is already rejected because of its length");
        }
    }

    #[test]
    fn passwords_are_normalised() {
        let read = |json: &str| serde_json::from_str::<Password>(json).unwrap();
        assert_eq!(read(r#""pa\u00dfw\u00f6rter""#), read(r#""pa\u00dfwo\u0308rter""#));
        assert_eq!(read(r#""\u212bngstr\u00f6m""#), Password::new("A\u{30a}ngstro\u{308}m"));
        assert_eq!(read(r#"" with blanks ""#).as_str(), " with blanks ");
        assert_eq!(read(r#""no\u00a0break\u3000space""#), Password::new("no break space"));
        assert!(!format!("{:?}", Password::new("a secret")).contains("secret"));
    }
}
