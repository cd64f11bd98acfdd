//! The user aggregate.

use common::aggregate::Aggregate;
use common::events::user::{UserChange, UserState};
use common::id::UserId;
use common::identity::Role;
use common::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::email::Email;
use super::password::PasswordHash;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub(crate) id: UserId,
    /// Unique among users.
    pub(crate) email: Email,
    pub(crate) password: PasswordHash,
    pub(crate) display_name: String,
    /// What the user may do as a member of the staff; each role once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<Role>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

impl User {
    /// Registers a user; without a display name, a neutral default is generated.
    pub(crate) fn register(
        id: UserId,
        email: Email,
        password: PasswordHash,
        display_name: Option<String>,
        now: Timestamp,
    ) -> (Self, UserChange) {
        let display_name = display_name.unwrap_or_else(|| default_name(id));
        let user = Self { id, email, password, display_name, roles: Vec::new(), created_at: now, updated_at: now };
        (user, UserChange::Registered)
    }

    #[must_use]
    pub(crate) fn rename(self, display_name: String, now: Timestamp) -> (Self, UserChange) {
        (Self { display_name, updated_at: now, ..self }, UserChange::Updated)
    }

    #[must_use]
    pub(crate) fn change_password(self, password: PasswordHash, now: Timestamp) -> (Self, UserChange) {
        (Self { password, updated_at: now, ..self }, UserChange::PasswordChanged)
    }

    /// Gives the user a role. Returns `None` if the user has it already.
    pub(crate) fn give_role(mut self, role: Role, now: Timestamp) -> Option<(Self, UserChange)> {
        if self.roles.contains(&role) {
            return None;
        }
        self.roles.push(role);
        Some((Self { updated_at: now, ..self }, UserChange::RolesChanged))
    }

    /// Takes a role from the user. Returns `None` if the user does not have it.
    pub(crate) fn take_role(mut self, role: Role, now: Timestamp) -> Option<(Self, UserChange)> {
        let at = self.roles.iter().position(|own| *own == role)?;
        self.roles.remove(at);
        Some((Self { updated_at: now, ..self }, UserChange::RolesChanged))
    }
}

/// Derived from the random tail of the id, never from the email address, which is private.
fn default_name(id: UserId) -> String {
    let id = id.as_uuid().simple().to_string();
    let (_, tail) = id.split_at(id.len().saturating_sub(6));
    format!("Fan-{tail}")
}

impl Aggregate for User {
    type Payload = UserState;
    const COLLECTION: &'static str = "users";

    fn id(&self) -> String {
        self.id.to_string()
    }

    /// Omits email address and password, since an event in the stream can't be erased, and roles, which no other
    /// service needs to know: access tokens carry them.
    fn payload(&self) -> UserState {
        UserState { id: self.id, display_name: self.display_name.clone(), created_at: self.created_at }
    }

    fn present_change(&self) -> UserChange {
        UserChange::Updated
    }

    fn is_settled(&self) -> bool {
        // No service waits for a change of a user.
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn register(name: Option<&str>) -> (User, UserChange) {
        let email = Email::parse("Ana.Lopez@Example.com").unwrap();
        let hash = PasswordHash("$argon2id$hash".to_owned());
        User::register(UserId::new(), email, hash, name.map(ToOwned::to_owned), at(1))
    }

    #[test]
    fn missing_display_name_gets_a_neutral_default() {
        let (one, change) = register(None);
        let (two, _) = register(None);
        assert_eq!(change, UserChange::Registered);
        assert!(one.display_name.starts_with("Fan-") && one.display_name.len() == 10, "{}", one.display_name);
        assert_ne!(one.display_name, two.display_name);
        assert!(one.id.to_string().ends_with(&one.display_name[4..]));
        assert_eq!(register(Some("Ana")).0.display_name, "Ana");
    }

    #[test]
    fn renaming_changes_only_the_name() {
        let (user, _) = register(None);
        let (renamed, change) = user.clone().rename("Ana L".to_owned(), at(5));
        assert_eq!(change, UserChange::Updated);
        assert_eq!(renamed, User { display_name: "Ana L".to_owned(), updated_at: at(5), ..user });
    }

    #[test]
    fn changing_the_password_changes_only_the_password() {
        let (user, _) = register(None);
        let hash = PasswordHash("$argon2id$other".to_owned());
        let (changed, change) = user.clone().change_password(hash.clone(), at(5));
        assert_eq!(change, UserChange::PasswordChanged);
        assert_eq!(changed, User { password: hash, updated_at: at(5), ..user });
    }

    #[test]
    fn role_is_given_and_taken_once() {
        let (user, _) = register(None);
        let (support, change) = user.clone().give_role(Role::Support, at(5)).unwrap();
        assert_eq!(change, UserChange::RolesChanged);
        assert_eq!(support, User { roles: vec![Role::Support], updated_at: at(5), ..user.clone() });
        assert_eq!(support.clone().give_role(Role::Support, at(6)), None);
        let (both, _) = support.clone().give_role(Role::Finance, at(6)).unwrap();
        assert_eq!(both.roles, [Role::Support, Role::Finance]);
        let (finance, change) = both.take_role(Role::Support, at(7)).unwrap();
        assert_eq!((finance.roles.as_slice(), change), (&[Role::Finance][..], UserChange::RolesChanged));
        assert_eq!(finance.take_role(Role::Operator, at(8)), None);
        // The document of a user without a role has no such field.
        assert!(serde_json::to_value(&user).unwrap().get("roles").is_none());
    }

    #[test]
    fn events_contain_neither_email_nor_password() {
        let (user, _) = register(None);
        let payload = serde_json::to_string(&user.payload()).unwrap().to_lowercase();
        assert!(!payload.contains("ana") && !payload.contains("argon2id"), "{payload}");
        let stored: User = serde_json::from_str(&serde_json::to_string(&user).unwrap()).unwrap();
        assert_eq!(stored, user);
    }
}
