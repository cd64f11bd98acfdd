//! The orders in which listings come, and places in them.

use common::events::ticket::TicketState;
use common::id::TicketId;
use uuid::Uuid;

/// In which order listings come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
    /// Only what has become cheaper, the latest drop first.
    PriceDrop,
}

/// All of them: as addresses call them, and as people do.
pub const SORTS: [(Sort, &str, &str); 5] = [
    (Sort::Soonest, "soonest", "Soonest first"),
    (Sort::Newest, "newest", "Just listed first"),
    (Sort::PriceLow, "price-low", "Lowest price first"),
    (Sort::PriceHigh, "price-high", "Highest price first"),
    (Sort::PriceDrop, "price-drop", "Price drops, latest first"),
];

impl Sort {
    /// The order that an address calls so.
    pub fn read(name: &str) -> Option<Self> {
        SORTS.iter().find(|(_, known, _)| *known == name).map(|(sort, ..)| *sort)
    }

    /// As addresses call it.
    pub fn name(self) -> &'static str {
        SORTS.iter().find(|(sort, ..)| *sort == self).map_or("", |(_, name, _)| name)
    }

    /// As people call it.
    pub fn label(self) -> &'static str {
        SORTS.iter().find(|(sort, ..)| *sort == self).map_or("", |(.., label)| label)
    }

    /// Whether places rise from page to page.
    pub fn is_rising(self) -> bool {
        matches!(self, Self::Soonest | Self::PriceLow)
    }

    /// Whether prices are compared, which only those in one currency can be.
    pub fn is_by_price(self) -> bool {
        matches!(self, Self::PriceLow | Self::PriceHigh)
    }

    /// Where a listing stands in this order.
    pub fn place(self, ticket: &TicketState) -> Place {
        let value = match self {
            Self::Soonest => ticket.terms.starts_at.as_millis(),
            // Ids rise with the time of listing.
            Self::Newest => 0,
            Self::PriceLow | Self::PriceHigh => ticket.price.amount,
            Self::PriceDrop => ticket.price_drop.as_ref().map_or(0, |drop| drop.at.as_millis()),
        };
        Place { value, id: ticket.terms.id }
    }

    /// A place in this order as it travels in an address. The first letter tells the order, so that it
    /// is never taken for a place in another one.
    pub fn token(self, place: Place) -> String {
        format!("{}{}.{}", self.letter(), place.value, place.id.as_uuid().as_simple())
    }

    /// The place in this order that a token tells.
    pub fn read_token(self, token: &str) -> Option<Place> {
        let (value, id) = token.strip_prefix(self.letter())?.split_once('.')?;
        let id = Uuid::try_parse(id).ok().filter(|_| id.len() == 32)?;
        Some(Place { value: value.parse().ok()?, id: TicketId::from_uuid(id) })
    }

    fn letter(self) -> char {
        match self {
            Self::Soonest => 's',
            Self::Newest => 'n',
            Self::PriceLow => 'l',
            Self::PriceHigh => 'h',
            Self::PriceDrop => 'd',
        }
    }
}

/// A place in an order: that of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// What is sorted by: a time in milliseconds, or minor units of money.
    pub value: i64,
    /// The listing, which decides between equals.
    pub id: TicketId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_travel() {
        for (sort, name, label) in SORTS {
            assert_eq!((Sort::read(name), sort.name(), sort.label()), (Some(sort), name, label));
            let there = Place { value: -5, id: TicketId::new() };
            assert_eq!(sort.read_token(&sort.token(there)), Some(there), "{name}");
            for (other, ..) in SORTS {
                assert_eq!(other.read_token(&sort.token(there)).is_some(), other == sort, "{name} as {other:?}");
            }
        }
        assert_eq!(Sort::read(""), None);
        let id = "01890a5dac96774bbcceb302099a8057";
        assert!(Sort::Soonest.read_token(&format!("s5.{id}")).is_some());
        let hyphens = "01890a5d-ac96-774b-bcce-b302099a8057";
        for wrong in ["", "s", "s5", "s5.", ".", &format!("5.{id}"), &format!("sx.{id}"), &format!("s5.{hyphens}")] {
            assert_eq!(Sort::Soonest.read_token(wrong), None, "{wrong}");
        }
    }
}
