//! Sort orders of shows, and the sort keys that pages continue after.

use common::events::show::ShowState;
use common::id::ShowId;
use serde::Serialize;
use strum::{AsRefStr, EnumString, IntoStaticStr, VariantArray};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::i18n::msg;

/// A sort order of shows.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema, EnumString, AsRefStr, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Sort {
    /// The next show first.
    #[default]
    Soonest,
    /// The show whose first ticket was listed last first.
    Newest,
}

impl Sort {
    /// Name in URLs.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Label on pages.
    pub fn label(self) -> String {
        match self {
            Self::Soonest => msg::browse_soonest(),
            Self::Newest => msg::browse_newest(),
        }
    }

    /// Whether sort keys increase.
    pub fn is_ascending(self) -> bool {
        matches!(self, Self::Soonest)
    }

    /// The sort key of a show.
    pub fn key(self, show: &ShowState) -> SortKey {
        let value = match self {
            Self::Soonest => show.starts_at.as_millis(),
            // Ids increase with the time of creation.
            Self::Newest => 0,
        };
        SortKey { value, id: show.id }
    }

    /// The key as a URL parameter. The first letter names the sort order, so the parameter is invalid with another one.
    pub fn encode(self, key: SortKey) -> String {
        format!("{}{}.{}", self.tag(), key.value, key.id.as_uuid().as_simple())
    }

    /// The key that a URL parameter encodes; `None` if it is malformed or belongs to another sort order.
    pub fn decode(self, token: &str) -> Option<SortKey> {
        let (value, id) = token.strip_prefix(self.tag())?.split_once('.')?;
        let id = Uuid::try_parse(id).ok().filter(|_| id.len() == 32)?;
        Some(SortKey { value: value.parse().ok()?, id: ShowId::from_uuid(id) })
    }

    fn tag(self) -> char {
        match self {
            Self::Soonest => 's',
            Self::Newest => 'n',
        }
    }
}

/// The position of a show in a sort order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey {
    /// The sort value: a time in milliseconds, or 0.
    pub value: i64,
    /// The show, which breaks ties.
    pub id: ShowId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_round_trips_in_its_own_sort_order_only() {
        for sort in Sort::VARIANTS.iter().copied() {
            let name = sort.name();
            assert_eq!(name.parse::<Sort>().ok(), Some(sort));
            let key = SortKey { value: -5, id: ShowId::new() };
            assert_eq!(sort.decode(&sort.encode(key)), Some(key), "{name}");
            for other in Sort::VARIANTS.iter().copied() {
                assert_eq!(other.decode(&sort.encode(key)).is_some(), other == sort, "{name} as {other:?}");
            }
        }
        assert!("".parse::<Sort>().is_err());
        let id = "01890a5dac96774bbcceb302099a8057";
        assert!(Sort::Soonest.decode(&format!("s5.{id}")).is_some());
        let hyphens = "01890a5d-ac96-774b-bcce-b302099a8057";
        for wrong in ["", "s", "s5", "s5.", ".", &format!("5.{id}"), &format!("sx.{id}"), &format!("s5.{hyphens}")] {
            assert_eq!(Sort::Soonest.decode(wrong), None, "{wrong}");
        }
    }
}
