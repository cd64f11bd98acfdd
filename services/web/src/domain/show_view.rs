//! The view of a show, and its address.

use common::api::shows::slug;
use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::TicketState;
use common::id::ShowId;
use common::timestamp::Timestamp;

use super::filter::{Filter, SearchParams};
use super::listing_view::{category_label, place};
use super::moment::Moment;
use super::offer::ShowOffer;
use super::poster::poster_path;
use crate::i18n::msg;
use crate::i18n::price::format_price;

/// From this number of seats on, few are left.
const FEW: u64 = 4;
/// Length of the text form of an id.
const ID_LENGTH: usize = 36;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShowView {
    pub id: String,
    /// URL path of its page, with the filters that a search has chosen.
    pub path: String,
    /// URL path of its poster.
    pub poster: String,
    pub title: String,
    /// Venue and city.
    pub place: String,
    pub starts_at: Moment,
    pub category: Option<String>,
    pub status: ShowStatus,
    /// Why it was cancelled, as a sentence; empty if it was not, or if no reason is known.
    pub cancel_reason: String,
    pub has_begun: bool,
    /// Number of seats that are for sale.
    pub free: u64,
    /// The number of seats that the counted listings sell together; `None` if all listings are counted.
    pub quantity: Option<u8>,
    /// `€46.00`, or `€46.00 or $50.00`; empty if nothing is for sale.
    pub from: String,
    /// The price of a listing that became cheaper, and its price before; only where that is the reason to show the
    /// show.
    pub drop: Option<(String, String)>,
    /// The show's own version.
    pub version: u64,
    /// Revision of what it has for sale.
    pub revision: u64,
}

impl ShowView {
    pub(crate) fn new(found: &ShowOffer, now: Timestamp) -> Self {
        let (show, offer) = (&found.show.state, &found.offer);
        let from = offer.from.iter().map(format_price).reduce(msg::show_price_or);
        let reason = show.cancel_reason.as_deref().map(str::trim).unwrap_or_default();
        let end = if reason.is_empty() || reason.ends_with(['.', '!', '?']) { "" } else { "." };
        Self {
            id: show.id.to_string(),
            path: show_path(show),
            poster: poster_path(show.id, show.category),
            title: show.title.clone(),
            place: place(&show.venue, show.city.as_deref()),
            starts_at: Moment::new(show.starts_at, &show.time_zone),
            category: show.category.map(category_label),
            status: show.status,
            cancel_reason: format!("{reason}{end}"),
            has_begun: now >= show.starts_at,
            free: offer.free,
            quantity: None,
            from: from.unwrap_or_default(),
            drop: None,
            version: found.show.version,
            revision: offer.revision,
        }
    }

    /// The view with the price drop of one of its listings.
    #[must_use]
    pub(crate) fn with_drop(self, ticket: &TicketState) -> Self {
        let drop = ticket.price_drop.as_ref().map(|drop| (format_price(&ticket.price), format_price(&drop.from)));
        Self { drop, ..self }
    }

    /// The view as a result of a search, which leads to the listings that the search asks for.
    #[must_use]
    pub(crate) fn found_by(self, params: &SearchParams, filter: &Filter) -> Self {
        Self { path: format!("{}{}", self.path, params.listings_query(filter)), quantity: filter.quantity, ..self }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.status == ShowStatus::Cancelled
    }

    pub(crate) fn is_moved(&self) -> bool {
        self.status == ShowStatus::Moved
    }

    /// Whether few seats are left, which a card points out.
    pub(crate) fn is_scarce(&self) -> bool {
        (1..=FEW).contains(&self.free)
    }

    /// Whether its listings can be ordered.
    pub(crate) fn is_open(&self) -> bool {
        !self.is_cancelled() && !self.has_begun
    }
}

/// URL path of a show's page. The words are for people: the id alone decides which show it is.
pub(crate) fn show_path(show: &ShowState) -> String {
    format!("/shows/{}-{}", slug(&show.title, show.city.as_deref()), show.id)
}

/// The id at the end of the last segment of such a path, whatever the words before it are.
pub(crate) fn id_in_path(segment: &str) -> Option<ShowId> {
    let (words, id) = segment.split_at_checked(segment.len().checked_sub(ID_LENGTH)?)?;
    (words.is_empty() || words.ends_with('-')).then(|| id.parse().ok()).flatten()
}

#[cfg(test)]
pub(crate) mod tests {
    use common::aggregate::Versioned;
    use common::events::ticket::{Category, TicketStatus};
    use common::money::Money;

    use super::*;
    use crate::domain::listing_view::{Availability, ListingView};
    use crate::domain::offer::Offer;
    use crate::domain::seats;

    /// A show with all details, and with HTML in its texts.
    pub(crate) fn sample() -> ShowOffer {
        let time = |text: &str| text.parse().unwrap();
        let state = ShowState {
            id: ShowId::new(),
            title: "Jazz & <b>Blues</b>".to_owned(),
            venue: "Town Hall".to_owned(),
            city: Some("New York".to_owned()),
            country: Some("US".to_owned()),
            starts_at: time("2099-06-01T19:30:00Z"),
            ends_at: None,
            time_zone: "America/New_York".to_owned(),
            category: Some(Category::Concert),
            status: ShowStatus::Scheduled,
            cancel_reason: None,
            merged_into: None,
            created_at: time("2026-01-01T00:00:00Z"),
            updated_at: time("2026-01-01T00:00:00Z"),
        };
        let money = |amount, currency: &str| Money { amount, currency: currency.parse().unwrap() };
        let from = vec![money(4_600, "EUR"), money(5_000, "USD")];
        ShowOffer {
            show: Versioned { version: 3, state },
            offer: Offer { free: 37, from, revision: 1_767_225_600_000 },
        }
    }

    #[test]
    fn view_names_the_lowest_prices_and_the_local_time() {
        let mut found = sample();
        let now = found.show.created_at;
        let view = ShowView::new(&found, now);
        assert_eq!((view.from.as_str(), view.free, view.version), ("€46.00 or $50.00", 37, 3));
        assert_eq!((view.place.as_str(), view.cancel_reason.as_str()), ("Town Hall, New York", ""));
        assert_eq!(view.starts_at.text, "Mon, Jun 1, 2099, 3:30\u{a0}PM\u{a0}EDT");
        assert_eq!(view.poster, poster_path(found.show.id, Some(Category::Concert)));
        assert!(view.is_open() && !view.is_moved() && !view.is_cancelled());
        assert!(!ShowView::new(&found, found.show.starts_at).is_open(), "it has begun");
        for (free, expected) in [(0, false), (1, true), (4, true), (5, false)] {
            found.offer.free = free;
            assert_eq!(ShowView::new(&found, now).is_scarce(), expected, "{free}");
        }
        found.offer = Offer::default();
        assert_eq!(ShowView::new(&found, now).from, "");
        found.show.state.status = ShowStatus::Moved;
        assert!(ShowView::new(&found, now).is_moved());
        found.show.state.status = ShowStatus::Cancelled;
        for (reason, expected) in
            [(None, ""), (Some("The singer is ill"), "The singer is ill."), (Some("Ill!"), "Ill!")]
        {
            found.show.state.cancel_reason = reason.map(str::to_owned);
            let view = ShowView::new(&found, now);
            assert_eq!((view.cancel_reason.as_str(), view.is_open()), (expected, false));
        }
    }

    #[test]
    fn ticket_of_a_cancelled_show_is_not_for_sale() {
        let (mut show, mut ticket) = (sample().show.state, seats::tests::sample());
        let availability = |ticket: &TicketState, show: &ShowState| {
            ListingView::new(ticket, None, ticket.created_at).of_show(Some(show)).availability
        };
        assert_eq!(availability(&ticket, &show), Availability::ForSale);
        show.status = ShowStatus::Cancelled;
        assert_eq!(availability(&ticket, &show), Availability::Cancelled);
        ticket.status = TicketStatus::Sold;
        assert_eq!(availability(&ticket, &show), Availability::Sold, "it is still the buyer's");
    }

    #[test]
    fn id_ends_the_path() {
        let show = sample().show.state;
        let path = show_path(&show);
        assert_eq!(path, format!("/shows/jazz-b-blues-b-new-york-{}", show.id));
        let segment = path.strip_prefix("/shows/").unwrap();
        for known in [segment, &format!("other-words-{}", show.id), &show.id.to_string(), &format!("-{}", show.id)] {
            assert_eq!(id_in_path(known), Some(show.id), "{known}");
        }
        for unknown in ["", "jazz", "jazz-", &segment[1..5], &segment[..segment.len() - 1], &format!("x{}", show.id)] {
            assert_eq!(id_in_path(unknown), None, "{unknown}");
        }
        assert_eq!(id_in_path(&format!("é{}", "a".repeat(35))), None, "it can't be split there");
    }
}
