//! What listings and people are found by: the words that are stored beside their states, and the indexes.
//!
//! # Why
//! Words are derived here rather than taken from the events, since how they are compared is this service's
//! own affair. What an older release has written has none until it changes: `cargo xtask rebuild web`.

use common::events::Payload as Entity;
use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::ticket::{Category, TicketState};
use common::events::user::UserState;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;

use super::index;
use crate::domain::search::keys;

/// Indexes of the replica of tickets.
///
/// The one by words has no status: tickets are held and sold all the time, which is not to touch all of
/// their words each time. `words_v1`, a text index, is no longer used, and is gone after a rebuild.
pub fn ticket_indexes() -> Vec<IndexModel> {
    let dropped = IndexOptions::builder()
        .name("dropped_v1".to_owned())
        .partial_filter_expression(doc! { "state.priceDrop.at": { "$exists": true } })
        .build();
    let by_drop = doc! { "state.status": 1, "state.priceDrop.at": -1, "_id": -1 };
    vec![
        index("soonest_v1", doc! { "state.status": 1, "state.startsAt": 1, "_id": 1 }),
        index("newest_v1", doc! { "state.status": 1, "_id": -1 }),
        index("category_v1", doc! { "state.status": 1, "state.category": 1, "state.startsAt": 1, "_id": 1 }),
        index("price_v1", doc! { "state.status": 1, "state.price.currency": 1, "state.price.amount": 1, "_id": 1 }),
        IndexModel::builder().keys(by_drop).options(dropped).build(),
        index("found_v1", doc! { "words": 1, "state.startsAt": 1, "_id": 1 }),
        index("seller_soonest_v1", doc! { "state.sellerId": 1, "state.startsAt": 1, "_id": 1 }),
    ]
}

/// Indexes of the replica of users.
pub fn user_indexes() -> Vec<IndexModel> {
    vec![index("found_v1", doc! { "words": 1, "_id": 1 })]
}

/// An entity of the read model, with what it is found by.
pub trait Findable: Entity {
    /// Whether its words are learned, to correct searches by.
    const IS_LEARNED: bool = false;

    /// The texts of which each word finds it.
    fn texts(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Its kind, which finds it together with a word.
    fn category(&self) -> Option<Category> {
        None
    }
}

impl Findable for TicketState {
    const IS_LEARNED: bool = true;

    fn texts(&self) -> Vec<&str> {
        let terms = &self.terms;
        [&terms.title, &terms.venue].into_iter().chain(&terms.city).map(String::as_str).collect()
    }

    fn category(&self) -> Option<Category> {
        self.category
    }
}

impl Findable for UserState {
    fn texts(&self) -> Vec<&str> {
        vec![self.display_name.as_str()]
    }
}

impl Findable for OrderState {}
impl Findable for PaymentState {}

/// What is stored beside a state: its `words`, which are all that it is found by.
pub fn derived<S: Findable>(state: &S) -> Document {
    let texts = state.texts();
    if texts.is_empty() {
        return Document::new();
    }
    doc! { "words": keys(texts, state.category()).into_iter().collect::<Vec<_>>() }
}
