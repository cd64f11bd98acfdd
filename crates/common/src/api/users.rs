//! Users and their sessions.

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
use crate::validate::{self, fault};

endpoints! { Auth;
    /// Open an account.
    SignUp { body: NewUser } = POST "/api/users/signup" -> User, 409 "email-in-use";
    /// Sign in.
    SignIn { body: Credentials } = POST "/api/users/signin" -> User, 401 "wrong-credentials";
    /// Sign out.
    SignOut { } = POST "/api/users/signout" -> ();
    /// Who am I?
    ReadCurrentUser { } = GET "/api/users/currentuser" -> CurrentUser;
    /// Change how I am called.
    UpdateProfile { body: Profile } = PUT "/api/users/me" -> User;
    /// Choose another password.
    ChangePassword { body: NewPassword } = PUT "/api/users/password" -> (), 409 "password-changed";
    /// Trade the refresh cookie for new cookies.
    Refresh { } = POST "/api/users/refresh" -> User, 401 "unauthenticated";
    /// Where am I signed in?
    ListSessions { query: PageQuery } = GET "/api/users/sessions" -> Page<Session>;
    /// Sign a device out.
    EndSession { id: SessionId } = DELETE "/api/users/sessions/{id}" -> ();
}

/// Who wants an account.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewUser {
    /// What they will sign in with; case makes no difference.
    #[validate(custom(function = "is_email"))]
    #[schema(value_type = String, format = "email", max_length = 254, example = "ana@example.com")]
    pub email: Text,
    /// Not a common one. It is compared in Unicode's normal form NFC.
    #[validate(length(min = 8, max = 128), custom(function = "is_uncommon"))]
    #[schema(value_type = String, format = "password", min_length = 8, max_length = 128)]
    pub password: Password,
    /// How other people see them; made up when it is absent or blank, never from the email address.
    #[serde(default, deserialize_with = "text::blank_as_none", skip_serializing_if = "Option::is_none")]
    #[validate(length(max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = Option<String>, max_length = 100, example = "Ana")]
    pub display_name: Option<Text>,
}

/// Who wants to be signed in.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credentials {
    /// Case makes no difference.
    #[schema(value_type = String, format = "email")]
    pub email: Text,
    /// As it was chosen.
    #[schema(value_type = String, format = "password")]
    pub password: Password,
}

/// What a user may change.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// How other people see them.
    #[validate(length(min = 1, max = 100), custom(function = "text::single_line"))]
    #[schema(value_type = String, min_length = 1, max_length = 100, example = "Ana")]
    pub display_name: Text,
}

/// Who wants another password.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// The password until now.
    #[schema(value_type = String, format = "password")]
    pub current: Password,
    /// The password from now on; not a common one.
    #[validate(length(min = 8, max = 128), custom(function = "is_uncommon"))]
    #[schema(value_type = String, format = "password", min_length = 8, max_length = 128)]
    pub new: Password,
}

/// A user, as their owner alone sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// As it was written at sign-up.
    #[schema(format = "email")]
    pub email: String,
    /// How other people see them.
    pub display_name: String,
    /// When the account was opened.
    pub created_at: Timestamp,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurrentUser {
    /// Null for whoever is not signed in.
    pub current_user: Option<User>,
}

/// A device on which the user is signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// What the browser calls itself.
    pub device: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
    /// When the user signed in there.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Timestamp,
    /// When it ends unless it is used before.
    pub expires_at: Timestamp,
}

/// A password in Unicode normal form C (NFC), with every kind of space as U+0020. Keyboards and operating systems encode
/// the same letters and spaces differently; so they are equal. RFC 8265 (`OpaqueString`).
///
/// Never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// The password that somebody typed.
    pub fn new(typed: &str) -> Self {
        Self(typed.chars().map(|c| if is_space(c) { ' ' } else { c }).nfc().collect())
    }

    /// What is hashed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a character is a space separator (Zs), such as the no-break space that Option and the space bar type.
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
    /// In characters.
    fn length(&self) -> Option<u64> {
        self.0.length()
    }
}

/// What people choose most often, of at least eight characters, in lower case: what is guessed first.
static COMMON: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().filter(|line| !line.starts_with('#')).collect());

fn is_uncommon(password: &Password) -> Result<(), ValidationError> {
    if COMMON.contains(password.0.to_lowercase().as_str()) {
        Err(fault("common", "is one of the commonest passwords; choose another"))
    } else {
        Ok(())
    }
}

fn is_email(text: &Text) -> Result<(), ValidationError> {
    validate::email(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::faults;

    fn fault_of(password: &str) -> Option<String> {
        let user =
            NewUser { email: Text::new("ana@example.com"), password: Password::new(password), display_name: None };
        user.validate().err().map(|errors| faults(&errors)[0].message.clone())
    }

    #[test]
    fn length_is_counted_in_characters() {
        let length = Some("must have 8 to 128 characters".to_owned());
        for (password, fault) in [
            ("sieben7", &length),
            ("пароль1", &length),
            ("achtacht", &None),
            (&"ß".repeat(128), &None),
            (&"ß".repeat(129), &length),
            // Eight code points that are seven characters in NFC, and a ligature that is one.
            ("siebene\u{301}", &length),
            ("\u{fdfa}", &length),
        ] {
            assert_eq!(fault_of(password), *fault, "{password}");
        }
    }

    #[test]
    fn common_ones_are_refused_in_any_case() {
        for common in ["password", "PassWord1", "12345678", "QWERTYUIOP", "iloveyou"] {
            let fault = fault_of(common).unwrap();
            assert!(fault.starts_with("is one of the commonest"), "{common}: {fault}");
        }
        assert_eq!(fault_of("password of mine"), None);
    }

    #[test]
    fn every_line_of_the_list_can_match() {
        assert!(COMMON.len() > 200);
        for line in COMMON.iter() {
            assert_eq!(Password::new(line.trim()).as_str().to_lowercase(), **line);
            assert!((8..=128).contains(&line.chars().count()), "{line}: the length alone refuses it");
        }
    }

    #[test]
    fn a_password_is_the_same_from_every_keyboard() {
        let read = |json: &str| serde_json::from_str::<Password>(json).unwrap();
        assert_eq!(read(r#""pa\u00dfw\u00f6rter""#), read(r#""pa\u00dfwo\u0308rter""#));
        assert_eq!(read(r#""\u212bngstr\u00f6m""#), Password::new("A\u{30a}ngstro\u{308}m"));
        assert_eq!(read(r#"" with blanks ""#).as_str(), " with blanks ");
        assert_eq!(read(r#""no\u00a0break\u3000space""#), Password::new("no break space"));
        assert!(!format!("{:?}", Password::new("a secret")).contains("secret"));
    }
}
