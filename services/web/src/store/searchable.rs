//! Search keys of tickets and users, stored in addition to their states, and the indexes of those replicas.
//!
//! # Why
//! The keys are derived here rather than taken from the events, because normalisation is local to this service. A
//! document written by an older version lacks them until it changes or `ticketctl rebuild web` has run.

use common::events::Payload as Entity;
use common::events::order::OrderState;
use common::events::payment::PaymentState;
use common::events::ticket::{Category, TicketState};
use common::events::user::UserState;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;

use super::index;
use crate::domain::search::index_keys;

/// Indexes of the replica of tickets.
///
/// The index by words omits the status, so that a held or sold ticket does not rewrite an entry for each of its words.
/// An older deployment also has `words_v1`, an unused text index, until the next rebuild.
pub(crate) fn ticket_indexes() -> Vec<IndexModel> {
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

pub(crate) fn user_indexes() -> Vec<IndexModel> {
    vec![index("found_v1", doc! { "words": 1, "_id": 1 })]
}

/// An entity of the read model, with the texts that a search finds it by.
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
}

impl Searchable for TicketState {
    const FEEDS_VOCABULARY: bool = true;

    fn searchable_texts(&self) -> Vec<&str> {
        let terms = &self.terms;
        [&terms.title, &terms.venue].into_iter().chain(&terms.city).map(String::as_str).collect()
    }

    fn category(&self) -> Option<Category> {
        self.category
    }
}

impl Searchable for UserState {
    fn searchable_texts(&self) -> Vec<&str> {
        vec![self.display_name.as_str()]
    }
}

impl Searchable for OrderState {}
impl Searchable for PaymentState {}

/// The fields stored in addition to a state: `words`, all its search keys.
pub(crate) fn search_fields<S: Searchable>(state: &S) -> Document {
    let texts = state.searchable_texts();
    if texts.is_empty() {
        return Document::new();
    }
    doc! { "words": index_keys(texts, state.category()).into_iter().collect::<Vec<_>>() }
}
