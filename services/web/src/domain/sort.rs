//! Sort orders of listings, and the sort keys that pages continue after.

use common::events::ticket::TicketState;
use common::id::TicketId;
use serde::Serialize;
use strum::{AsRefStr, EnumString, IntoStaticStr, VariantArray};
use utoipa::ToSchema;
use uuid::Uuid;

/// A sort order of listings.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema, EnumString, AsRefStr, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Sort {
    /// The next event first.
    #[default]
    Soonest,
    /// The latest listing first.
    Newest,
    /// The lowest price first.
    PriceLow,
    /// The highest price first.
    PriceHigh,
    /// Only listings that became cheaper, the latest drop first.
    PriceDrop,
}

impl Sort {
    /// Name in URLs.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Label on pages.
    pub fn label(self) -> &'static str {
        match self {
            Self::Soonest => "Soonest first",
            Self::Newest => "Just listed first",
            Self::PriceLow => "Lowest price first",
            Self::PriceHigh => "Highest price first",
            Self::PriceDrop => "Price drops, latest first",
        }
    }

    /// Whether sort keys increase.
    pub fn is_ascending(self) -> bool {
        matches!(self, Self::Soonest | Self::PriceLow)
    }

    /// Whether the order compares prices, which requires a single currency.
    pub fn is_by_price(self) -> bool {
        matches!(self, Self::PriceLow | Self::PriceHigh)
    }

    /// The sort key of a listing.
    pub fn key(self, ticket: &TicketState) -> SortKey {
        let value = match self {
            Self::Soonest => ticket.terms.starts_at.as_millis(),
            // Ids increase with the time of listing.
            Self::Newest => 0,
            Self::PriceLow | Self::PriceHigh => ticket.price.amount,
            Self::PriceDrop => ticket.price_drop.as_ref().map_or(0, |drop| drop.at.as_millis()),
        };
        SortKey { value, id: ticket.terms.id }
    }

    /// The key as a URL parameter. The first letter names the sort order, so the parameter is invalid with another one.
    pub fn encode(self, key: SortKey) -> String {
        format!("{}{}.{}", self.tag(), key.value, key.id.as_uuid().as_simple())
    }

    /// The key that a URL parameter encodes; `None` if it is malformed or belongs to another sort order.
    pub fn decode(self, token: &str) -> Option<SortKey> {
        let (value, id) = token.strip_prefix(self.tag())?.split_once('.')?;
        let id = Uuid::try_parse(id).ok().filter(|_| id.len() == 32)?;
        Some(SortKey { value: value.parse().ok()?, id: TicketId::from_uuid(id) })
    }

    fn tag(self) -> char {
        match self {
            Self::Soonest => 's',
            Self::Newest => 'n',
            Self::PriceLow => 'l',
            Self::PriceHigh => 'h',
            Self::PriceDrop => 'd',
        }
    }
}

/// The position of a listing in a sort order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SortKey {
    /// The sort value: a time in milliseconds, or a price in minor units.
    pub value: i64,
    /// The listing, which breaks ties.
    pub id: TicketId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_round_trips_in_its_own_sort_order_only() {
        for sort in Sort::VARIANTS.iter().copied() {
            let name = sort.name();
            assert_eq!(name.parse::<Sort>().ok(), Some(sort));
            let key = SortKey { value: -5, id: TicketId::new() };
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
