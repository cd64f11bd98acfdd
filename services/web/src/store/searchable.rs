//! Fields stored in addition to the states of shows, users and listings: the search keys of the first two, the day of a
//! show, the numbers of free and of sold seats of a listing, the numbers of seats that it sells together, and the keys
//! of its open seats. And the indexes of these replicas.
//!
//! # Why
//! The fields are derived here rather than taken from the events, because normalisation is local to this service. A
//! document written by an older version lacks them until it changes or `ticketctl rebuild web` has run.

use common::day::Day;
use common::events::Payload as Entity;
use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::show::ShowState;
use common::events::ticket::{Category, TicketState, TicketStatus};
use common::events::user::UserState;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;

use super::index;
use crate::domain::duplicate_seats::{OPEN, seat_keys};
use crate::domain::search::index_keys;
use crate::domain::seats::{free_slots, quantities, sold_count};

/// Indexes of the replica of shows. They omit the status: few shows are cancelled or merged, so that a search examines
/// hardly any without a match.
pub(crate) fn show_indexes() -> Vec<IndexModel> {
    vec![
        index("soonest_v1", doc! { "state.startsAt": 1, "_id": 1 }),
        index("category_v1", doc! { "state.category": 1, "state.startsAt": 1, "_id": 1 }),
        index("found_v1", doc! { "words": 1, "state.startsAt": 1, "_id": 1 }),
    ]
}

/// Indexes of the replica of listings that [`offers`](super::offers) and [`duplicate_seats`](super::duplicate_seats)
/// need.
pub(crate) fn ticket_indexes() -> Vec<IndexModel> {
    let dropped = IndexOptions::builder()
        .name("dropped_v1".to_owned())
        .partial_filter_expression(doc! { "state.priceDrop.at": { "$exists": true } })
        .build();
    let by_drop = doc! { "state.status": 1, "state.priceDrop.at": -1, "_id": -1 };
    // The last fields let an aggregation count the free seats, without those of a hidden seller, and read no listing.
    let by_price = doc! {
        "state.showId": 1, "state.status": 1, "state.price.currency": 1, "state.price.amount": 1, "_id": 1, "free": 1,
        "state.sellerId": 1,
    };
    // The array comes first, so that only searches for seats together use this index.
    let by_quantity = doc! {
        "quantities": 1, "state.showId": 1, "state.status": 1, "state.price.currency": 1, "state.price.amount": 1,
        "free": 1, "state.sellerId": 1,
    };
    let by_change = doc! {
        "state.showId": 1, "state.updatedAt": -1, "state.status": 1, "state.price.currency": 1, "state.price.amount": 1,
        "state.sellerId": 1,
    };
    vec![
        index("show_v3", by_price),
        // The last fields let a watch skip what is not for sale, or too expensive, without reading it.
        index("show_changed_v3", by_change),
        platform::store::index::partial(
            "together_v2",
            by_quantity,
            doc! { "state.status": TicketStatus::Available.as_ref() },
        ),
        IndexModel::builder().keys(by_drop).options(dropped).build(),
        index("open_seats_v1", doc! { "openSeats": 1 }),
        // A seller's listings that have ended cost nothing.
        platform::store::index::partial(
            "seller_open_v1",
            doc! { "state.sellerId": 1, "state.startsAt": 1 },
            doc! { "state.status": platform::store::index::any_of(&OPEN) },
        ),
    ]
}

pub(crate) fn user_indexes() -> Vec<IndexModel> {
    vec![index("found_v1", doc! { "words": 1, "_id": 1 })]
}

/// An entity of the read model, with what a search finds it by.
pub(crate) trait Searchable: Entity {
    /// Whether its words are added to the vocabulary that corrects misspelled searches.
    const FEEDS_VOCABULARY: bool = false;

    /// The texts whose words find the entity.
    fn searchable_texts(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The category, which narrows a search by words.
    fn category(&self) -> Option<Category> {
        None
    }

    /// The day of the venue on which it starts.
    fn day(&self) -> Option<Day> {
        None
    }

    /// Numbers of seats, by field.
    fn seat_counts(&self) -> Vec<(&'static str, usize)> {
        Vec::new()
    }

    /// The numbers of seats that can be ordered together; `None` for what has no seats.
    fn quantities(&self) -> Option<Vec<usize>> {
        None
    }

    /// The keys of the seats that other listings may have too; `None` for what has no seats.
    fn open_seats(&self) -> Option<Vec<String>> {
        None
    }
}

impl Searchable for ShowState {
    const FEEDS_VOCABULARY: bool = true;

    fn searchable_texts(&self) -> Vec<&str> {
        [&self.title, &self.venue].into_iter().chain(&self.city).map(String::as_str).collect()
    }

    fn category(&self) -> Option<Category> {
        self.category
    }

    fn day(&self) -> Option<Day> {
        Some(Day::at(self.starts_at, &self.time_zone))
    }
}

impl Searchable for UserState {
    fn searchable_texts(&self) -> Vec<&str> {
        vec![self.display_name.as_str()]
    }
}

impl Searchable for TicketState {
    fn seat_counts(&self) -> Vec<(&'static str, usize)> {
        vec![("free", free_slots(self).len()), ("sold", sold_count(self))]
    }

    fn quantities(&self) -> Option<Vec<usize>> {
        Some(quantities(self))
    }

    fn open_seats(&self) -> Option<Vec<String>> {
        Some(seat_keys(self))
    }
}

impl Searchable for OrderState {}
impl Searchable for PaymentState {}

/// The fields stored in addition to a state: `words`, all its search keys, `day`, numbers of seats, `quantities`, and
/// `openSeats`.
pub(crate) fn search_fields<S: Searchable>(state: &S) -> Document {
    let mut fields = Document::new();
    let texts = state.searchable_texts();
    if !texts.is_empty() {
        fields.insert("words", index_keys(texts, state.category()).into_iter().collect::<Vec<_>>());
    }
    if let Some(day) = state.day() {
        fields.insert("day", day.to_string());
    }
    for (field, count) in state.seat_counts() {
        fields.insert(field, i64::try_from(count).unwrap_or(i64::MAX));
    }
    if let Some(quantities) = state.quantities() {
        let numbers = quantities.into_iter().map(|quantity| i64::try_from(quantity).unwrap_or(i64::MAX));
        fields.insert("quantities", numbers.collect::<Vec<_>>());
    }
    if let Some(keys) = state.open_seats() {
        fields.insert("openSeats", keys);
    }
    fields
}
