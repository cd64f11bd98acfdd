//! The indexes and queries of the service's collections; the only file that names MongoDB.

use common::events::order::OrderState;
use common::events::ticket::TicketStatus;
use common::id::{TicketId, UserId};
use common::timestamp::Timestamp;
use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use platform::store::error::StoreError;
use platform::store::page::{Page, PageRequest};
use platform::store::replica::Replica;
use platform::store::{Store, Versioned};

use crate::domain::ticket::Ticket;

fn index(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).options(IndexOptions::builder().name(name.to_owned()).build()).build()
}

/// Indexes of the listings.
pub fn ticket_indexes() -> Vec<IndexModel> {
    let words = IndexOptions::builder()
        .name("words_v1".to_owned())
        // No stemming and no stop words: titles are names, in any language.
        .default_language("none".to_owned())
        .build();
    let keys = doc! { "state.listing.title": "text", "state.listing.venue": "text", "state.listing.city": "text" };
    vec![
        index("status_v1", doc! { "state.status.name": 1, "_id": -1 }),
        index("seller_v1", doc! { "state.sellerId": 1, "_id": -1 }),
        IndexModel::builder().keys(keys).options(words).build(),
    ]
}

/// Indexes of the replica of orders.
pub fn order_indexes() -> Vec<IndexModel> {
    vec![index("ticket_v1", doc! { "state.ticket.id": 1 })]
}

/// Every order of a ticket that is known.
pub async fn orders_of(
    orders: &Replica<OrderState>,
    ticket: TicketId,
) -> Result<Vec<Versioned<OrderState>>, StoreError> {
    orders.find(doc! { "state.ticket.id": ticket.to_string() }).await
}

/// What a list of listings is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this status; all but withdrawn unless told.
    pub status: Option<TicketStatus>,
    /// Of this seller.
    pub seller: Option<UserId>,
    /// With all of these words in title, venue or city.
    pub words: Option<String>,
}

/// One page of listings, newest first; available ones leave out events that have begun by `now`.
pub async fn page(
    tickets: &Store<Ticket>,
    filter: &Filter,
    now: Timestamp,
    request: &PageRequest,
) -> Result<Page<Versioned<Ticket>>, StoreError> {
    let mut query = Document::new();
    match filter.status {
        Some(status) => query.insert("state.status.name", name(status)),
        None => query.insert("state.status.name", doc! { "$ne": name(TicketStatus::Withdrawn) }),
    };
    if filter.status == Some(TicketStatus::Available) {
        query.insert("state.listing.startsAt", doc! { "$gt": now.to_string() });
    }
    if let Some(seller) = filter.seller {
        query.insert("state.sellerId", seller.to_string());
    }
    if let Some(words) = &filter.words {
        // Each word quoted: all of them must occur, and none is taken for an operator.
        let quoted: Vec<_> = words
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(|word| format!("\"{word}\""))
            .collect();
        if quoted.is_empty() {
            return Ok(Page { items: Vec::new(), next_cursor: None });
        }
        query.insert("$text", doc! { "$search": quoted.join(" ") });
    }
    tickets.page(query, request).await
}

fn name(status: TicketStatus) -> &'static str {
    match status {
        TicketStatus::Available => "available",
        TicketStatus::Reserved => "reserved",
        TicketStatus::Sold => "sold",
        TicketStatus::Withdrawn => "withdrawn",
    }
}
