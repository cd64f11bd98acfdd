//! A listing as it is shown.

use common::events::ticket::{Category, TicketState, TicketStatus};
use common::timestamp::Timestamp;

use super::moment::Moment;

/// A listing as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// The ticket's id.
    pub id: String,
    /// What it is for.
    pub title: String,
    /// Venue and city.
    pub place: String,
    /// When the event begins, at the venue.
    pub starts_at: Moment,
    /// `Section A, row 3, seat 14`; empty when nothing is said.
    pub seat: String,
    /// What the buyer pays.
    pub price: String,
    /// What it cost before it became cheaper.
    pub was: Option<String>,
    /// What is printed on the ticket.
    pub face_value: Option<String>,
    /// `Concert`.
    pub category: Option<&'static str>,
    /// The seller's own words.
    pub description: Option<String>,
    /// How the seller is called.
    pub seller: String,
    /// Whether it can be had.
    pub standing: Standing,
}

/// Whether a listing can be had now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Yes.
    ForSale,
    /// The event has begun.
    Begun,
    /// Somebody holds it.
    Held,
    /// Somebody bought it.
    Sold,
    /// The seller took it back.
    Withdrawn,
}

impl Standing {
    /// The same in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::ForSale => "For sale.",
            Self::Begun => "No longer for sale: the event has begun.",
            Self::Held => "Held by a buyer at the moment. It is for sale again if they let it go.",
            Self::Sold => "Sold.",
            Self::Withdrawn => "No longer for sale: the seller has withdrawn it.",
        }
    }

    /// Whether an order would be taken.
    pub fn is_for_sale(self) -> bool {
        self == Self::ForSale
    }
}

/// How a seller is called whose name has not arrived yet.
pub const NAMELESS: &str = "a member of the marketplace";

impl Offer {
    /// The listing at this time, with its seller's name if that is known.
    pub fn new(ticket: &TicketState, seller: Option<&String>, now: Timestamp) -> Self {
        let terms = &ticket.terms;
        let standing = match ticket.status {
            TicketStatus::Available if now >= terms.starts_at => Standing::Begun,
            TicketStatus::Available => Standing::ForSale,
            TicketStatus::Reserved => Standing::Held,
            TicketStatus::Sold => Standing::Sold,
            TicketStatus::Withdrawn => Standing::Withdrawn,
        };
        Self {
            id: terms.id.to_string(),
            title: terms.title.clone(),
            place: place(&terms.venue, terms.city.as_deref()),
            starts_at: Moment::new(terms.starts_at, &terms.time_zone),
            seat: seat(terms.section.as_deref(), terms.row.as_deref(), terms.seat.as_deref()),
            price: ticket.price.to_string(),
            was: ticket.price_drop.as_ref().map(|drop| drop.from.to_string()),
            face_value: ticket.face_value.as_ref().map(ToString::to_string),
            category: ticket.category.map(label),
            description: ticket.description.clone(),
            seller: seller.cloned().unwrap_or_else(|| NAMELESS.to_owned()),
            standing,
        }
    }
}

/// `Town Hall, New York`.
pub fn place(venue: &str, city: Option<&str>) -> String {
    city.map_or_else(|| venue.to_owned(), |city| format!("{venue}, {city}"))
}

/// `Section A, row 3, seat 14`, with what there is of it; empty when nothing is said.
pub fn seat(section: Option<&str>, row: Option<&str>, seat: Option<&str>) -> String {
    let parts = [("section", section), ("row", row), ("seat", seat)];
    let parts: Vec<_> = parts.iter().filter_map(|(name, value)| Some(format!("{name} {}", (*value)?))).collect();
    let text = parts.join(", ");
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A category as people call it.
pub fn label(category: Category) -> &'static str {
    match category {
        Category::Concert => "Concert",
        Category::Sport => "Sport",
        Category::Theatre => "Theatre",
        Category::Comedy => "Comedy",
        Category::Festival => "Festival",
        Category::Other => "Other",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use common::events::ticket::{PriceDrop, TicketTerms};
    use common::id::{TicketId, UserId};
    use common::money::Money;

    use super::*;

    /// A listing in all its detail; the texts are as hostile as a seller can be.
    pub(crate) fn sample() -> TicketState {
        let money = |amount| Money { amount, currency: "USD".parse().unwrap() };
        TicketState {
            terms: TicketTerms {
                id: TicketId::new(),
                title: "Jazz & <b>Blues</b>".to_owned(),
                venue: "Town Hall".to_owned(),
                city: Some("New York".to_owned()),
                starts_at: "2099-06-01T19:30:00Z".parse().unwrap(),
                time_zone: "America/New_York".to_owned(),
                section: Some("A".to_owned()),
                row: Some("3".to_owned()),
                seat: Some("14".to_owned()),
            },
            seller_id: UserId::new(),
            price: money(12_550),
            price_drop: None,
            face_value: Some(money(9_900)),
            category: Some(Category::Concert),
            description: Some("Two lines,\n\"quoted\".".to_owned()),
            status: TicketStatus::Available,
            order_id: None,
            refusals: Vec::new(),
            created_at: "2026-01-01T00:00:00Z".parse().unwrap(),
            updated_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_listing_stands_as_its_status_and_its_event_say() {
        let mut ticket = sample();
        let (before, begun) = (ticket.created_at, ticket.terms.starts_at);
        for (status, then, later) in [
            (TicketStatus::Available, Standing::ForSale, Standing::Begun),
            (TicketStatus::Reserved, Standing::Held, Standing::Held),
            (TicketStatus::Sold, Standing::Sold, Standing::Sold),
            (TicketStatus::Withdrawn, Standing::Withdrawn, Standing::Withdrawn),
        ] {
            ticket.status = status;
            assert_eq!(Offer::new(&ticket, None, before).standing, then);
            assert_eq!(Offer::new(&ticket, None, begun).standing, later);
        }
    }

    #[test]
    fn a_price_that_was_lowered_is_shown_with_the_one_before() {
        let mut ticket = sample();
        let was = |ticket: &TicketState| Offer::new(ticket, None, ticket.created_at).was;
        assert_eq!(was(&ticket), None);
        let from = Money { amount: 15_000, ..ticket.price.clone() };
        ticket.price_drop = Some(PriceDrop { from, at: ticket.created_at });
        assert_eq!(was(&ticket).as_deref(), Some("150.00 USD"));
    }

    #[test]
    fn a_seat_is_said_with_what_there_is_of_it() {
        assert_eq!(seat(Some("A"), Some("3"), Some("14")), "Section A, row 3, seat 14");
        assert_eq!(seat(None, None, Some("14")), "Seat 14");
        assert_eq!(seat(None, None, None), "");
    }
}
