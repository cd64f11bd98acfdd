//! The view of a listing.

use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::{Category, TicketState, TicketStatus};
use common::timestamp::Timestamp;

use super::duplicate_seats::DuplicateSeats;
use super::moment::Moment;
use super::seats::{self, Choice};
use crate::i18n::msg;
use crate::i18n::price::format_price;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListingView {
    pub id: String,
    /// Id of the show that the ticket is for.
    pub show: String,
    pub title: String,
    /// Venue and city.
    pub place: String,
    pub starts_at: Moment,
    /// `Section A, row 3, seat 14`; empty if unknown. Of several seats, it names those that can be ordered, or all if none
    /// can.
    pub seat: String,
    /// Number of seats, whether they are free or not.
    pub quantity: usize,
    /// Number of seats that can't be ordered.
    pub taken: usize,
    /// What is left of several seats; empty for one.
    pub left: String,
    /// The numbers of seats that can be ordered; empty for one seat.
    pub choices: Vec<Choice>,
    /// How the seats may be divided: `sold in pairs`; `None` for one seat.
    pub split: Option<String>,
    /// The price of a seat.
    pub price: String,
    /// The price as a form sends it, to compare it with the price at that time.
    pub agreed_price: String,
    /// The price of all seats: `4 × €46.00 = €184.00`.
    pub sum: String,
    pub previous_price: Option<String>,
    pub face_value: Option<String>,
    pub category: Option<String>,
    pub description: Option<String>,
    pub seller: String,
    pub availability: Availability,
    /// Whether it is the viewer's.
    pub is_own: bool,
    /// What is sold and for how much, for its seller only.
    pub sale: Option<String>,
    /// The warnings for its seller about seats that are listed twice; empty for all other viewers.
    pub duplicates: Vec<String>,
}

/// Whether a listing can be bought now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// It can be bought.
    ForSale,
    /// The event has begun.
    Begun,
    /// A buyer holds it.
    Held,
    /// It has been bought.
    Sold,
    /// The seller withdrew it.
    Withdrawn,
    /// Its show is cancelled.
    Cancelled,
}

impl Availability {
    /// A sentence for visitors.
    pub fn sentence(self) -> String {
        match self {
            Self::ForSale => msg::ticket_is_for_sale(),
            Self::Begun => msg::ticket_has_begun(),
            Self::Held => msg::ticket_is_held(),
            Self::Sold => msg::ticket_is_sold(),
            Self::Withdrawn => msg::ticket_is_withdrawn(),
            Self::Cancelled => msg::ticket_is_cancelled(),
        }
    }

    /// Whether the ticket can be ordered.
    pub fn is_for_sale(self) -> bool {
        self == Self::ForSale
    }
}

/// Shown for a user whose name has not been replicated yet.
pub(crate) fn unknown_user_name() -> String {
    msg::ticket_unknown_user()
}

impl ListingView {
    /// The view at this time, with the seller's name if it is known.
    pub(crate) fn new(ticket: &TicketState, seller: Option<&String>, now: Timestamp) -> Self {
        let terms = &ticket.terms;
        let availability = match ticket.status {
            TicketStatus::Available if ticket.show_cancelled => Availability::Cancelled,
            TicketStatus::Available if now >= terms.starts_at => Availability::Begun,
            TicketStatus::Available => Availability::ForSale,
            TicketStatus::Reserved => Availability::Held,
            TicketStatus::Sold => Availability::Sold,
            TicketStatus::Withdrawn => Availability::Withdrawn,
        };
        Self {
            id: terms.id.to_string(),
            show: ticket.show_id.to_string(),
            title: terms.title.clone(),
            place: place(&terms.venue, terms.city.as_deref()),
            starts_at: Moment::new(terms.starts_at, &terms.time_zone),
            seat: seats::place_of_seats(terms.section.as_deref(), terms.row.as_deref(), &seats::shown_names(ticket)),
            quantity: ticket.seats.len(),
            taken: ticket.seats.len() - seats::free_slots(ticket).len(),
            left: seats::left(ticket),
            choices: if availability.is_for_sale() { seats::choices(ticket) } else { Vec::new() },
            split: seats::split_words(&terms.blocks),
            price: format_price(&ticket.price),
            agreed_price: ticket.price.to_string(),
            sum: seats::sum(ticket.seats.len(), &ticket.price),
            previous_price: ticket.price_drop.as_ref().map(|drop| format_price(&drop.from)),
            face_value: ticket.face_value.as_ref().map(format_price),
            category: ticket.category.map(category_label),
            description: ticket.description.clone(),
            seller: seller.cloned().unwrap_or_else(unknown_user_name),
            availability,
            is_own: false,
            sale: None,
            duplicates: Vec::new(),
        }
    }

    /// The view for the seller: with all seats, what is sold of them, and warnings about them.
    #[must_use]
    pub(crate) fn for_seller(self, ticket: &TicketState, duplicates: Option<DuplicateSeats<'_>>) -> Self {
        let (terms, names) = (&ticket.terms, ticket.seat_names().collect::<Vec<_>>());
        Self {
            seat: seats::place_of_seats(terms.section.as_deref(), terms.row.as_deref(), &names),
            is_own: true,
            sale: seats::sale(ticket).filter(|_| !ticket.show_cancelled),
            duplicates: duplicates.map(|found| found.sentences()).unwrap_or_default(),
            ..self
        }
    }

    /// The availability, as a sentence for the viewer.
    pub(crate) fn status(&self) -> String {
        match self.availability {
            Availability::Withdrawn if self.is_own => msg::ticket_withdrawn_by_you(),
            other => other.sentence(),
        }
    }

    /// The view with this number of seats chosen, if it can be ordered.
    #[must_use]
    pub(crate) fn with_choice(mut self, quantity: Option<u8>) -> Self {
        let wanted = quantity.map(usize::from).filter(|wanted| self.choices.iter().any(|it| it.quantity == *wanted));
        if let Some(wanted) = wanted {
            for choice in &mut self.choices {
                choice.is_chosen = choice.quantity == wanted;
            }
        }
        self
    }

    /// The view of a listing of this show, as far as it is known: the listing may not have followed it yet.
    #[must_use]
    pub(crate) fn of_show(self, show: Option<&ShowState>) -> Self {
        let is_cancelled = show.is_some_and(|show| show.status == ShowStatus::Cancelled);
        let availability = match self.availability {
            Availability::ForSale | Availability::Begun if is_cancelled => Availability::Cancelled,
            other => other,
        };
        let choices = if availability.is_for_sale() { self.choices } else { Vec::new() };
        Self { choices, availability, ..self }
    }
}

/// `Town Hall, New York`.
pub(crate) fn place(venue: &str, city: Option<&str>) -> String {
    city.map_or_else(|| venue.to_owned(), |city| format!("{venue}, {city}"))
}

pub(crate) fn category_label(category: Category) -> String {
    match category {
        Category::Concert => msg::ticket_category_concert(),
        Category::Sport => msg::ticket_category_sport(),
        Category::Theatre => msg::ticket_category_theatre(),
        Category::Comedy => msg::ticket_category_comedy(),
        Category::Festival => msg::ticket_category_festival(),
        Category::Other => msg::ticket_category_other(),
    }
}

#[cfg(test)]
mod tests {
    use common::events::ticket::PriceDrop;
    use common::money::Money;

    use super::*;
    use crate::domain::seats::tests::{sample, six_seats};

    #[test]
    fn availability_depends_on_status_and_start() {
        let mut ticket = sample();
        let (before, begun) = (ticket.created_at, ticket.terms.starts_at);
        for (status, then, later) in [
            (TicketStatus::Available, Availability::ForSale, Availability::Begun),
            (TicketStatus::Reserved, Availability::Held, Availability::Held),
            (TicketStatus::Sold, Availability::Sold, Availability::Sold),
            (TicketStatus::Withdrawn, Availability::Withdrawn, Availability::Withdrawn),
        ] {
            ticket.status = status;
            assert_eq!(ListingView::new(&ticket, None, before).availability, then);
            assert_eq!(ListingView::new(&ticket, None, begun).availability, later);
        }
        ticket.show_cancelled = true;
        assert_eq!(ListingView::new(&ticket, None, before).availability, Availability::Withdrawn);
        ticket.status = TicketStatus::Available;
        for at in [before, begun] {
            assert_eq!(ListingView::new(&ticket, None, at).availability, Availability::Cancelled);
        }
    }

    #[test]
    fn seller_sees_all_seats_and_what_is_sold() {
        let mut ticket = six_seats(&[2, 2, 2]);
        for slot in [0, 1] {
            ticket.seats[slot].status = TicketStatus::Sold;
        }
        let view = ListingView::new(&ticket, None, ticket.created_at);
        assert_eq!((view.seat.as_str(), view.taken), ("Section A, row 3, seats 14 to 17", 2));
        assert_eq!(view.sale, None);
        let own = view.for_seller(&ticket, None);
        assert_eq!((own.seat.as_str(), own.quantity), ("Section A, row 3, seats 12 to 17", 6));
        assert_eq!(own.sale.as_deref(), Some("You sold seats 12, 13 for 2 × $125.50 = $251.00."));
        ticket.status = TicketStatus::Withdrawn;
        let view = ListingView::new(&ticket, None, ticket.created_at);
        assert_eq!(view.status(), "No longer for sale: the seller has withdrawn it.");
        assert_eq!(view.for_seller(&ticket, None).status(), "You withdrew it.");
    }

    #[test]
    fn lowered_price_is_shown_with_the_previous_one() {
        let mut ticket = sample();
        let previous_price = |ticket: &TicketState| ListingView::new(ticket, None, ticket.created_at).previous_price;
        assert_eq!(previous_price(&ticket), None);
        let from = Money { amount: 15_000, ..ticket.price.clone() };
        ticket.price_drop = Some(PriceDrop { from, at: ticket.created_at });
        assert_eq!(previous_price(&ticket).as_deref(), Some("$150.00"));
    }
}
