//! The indexes and queries of shows, and of the listings of a show.

use std::collections::{HashMap, HashSet};

use common::aggregate::{Aggregate as _, Versioned};
use common::api::page::{Page, PageQuery};
use common::api::shows::{ShowQuery, ShowTicketsQuery};
use common::cities::folded_city;
use common::events::ticket::TicketStatus;
use common::id::ShowId;
use common::money::{Currency, Money};
use common::timestamp::Timestamp;
use futures::TryStreamExt as _;
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::Hint;
use mongodb::{Collection, Database, IndexModel};
use platform::store::error::StoreError;
use platform::store::index::{self, any_of};
use platform::store::page::PageRequest;
use platform::store::{Store, StoredAggregate};
use serde::Deserialize;

use super::HiddenSeller;
use crate::domain::search_tokens::search_tokens;
use crate::domain::show::Show;
use crate::domain::ticket::Ticket;

/// The index of the listings that are for sale by show, which also has what [`Offers`] reads.
const OFFERS_INDEX: &str = "offers_v2";
/// The index of listings by show, in the order in which they are paged.
const SHOW_INDEX: &str = "show_v1";
/// Maximum number of listings that one batch of a spread has.
const SPREAD_BATCH: i64 = 100;

pub(crate) fn show_indexes() -> Vec<IndexModel> {
    vec![
        index::named("day_v1", doc! { "state.day": 1, "_id": -1 }),
        index::named("city_v1", doc! { "state.foldedCity": 1, "_id": -1 }),
        index::named("words_v1", doc! { "state.words": 1, "_id": -1 }),
    ]
}

/// The indexes of listings that this file's queries need.
pub(crate) fn listing_indexes() -> [IndexModel; 2] {
    let offers = doc! {
        "state.show.id": 1, "state.status.name": 1, "state.listing.price.currency": 1, "state.listing.price.amount": 1,
        "state.status.free": 1, "state.sellerId": 1,
    };
    [index::named(OFFERS_INDEX, offers), index::named(SHOW_INDEX, doc! { "state.show.id": 1, "_id": 1 })]
}

/// One page of shows, newest first, without those that were merged into others. Without days in the query, shows that
/// have begun by `now` are excluded.
pub(crate) async fn page(
    shows: &Store<Show>,
    query: ShowQuery,
    now: Timestamp,
) -> Result<Page<Versioned<Show>>, StoreError> {
    let ShowQuery { q, from, to, city, category, limit, cursor } = query;
    let mut filter = doc! { "state.mergedInto": null };
    let mut days = Document::new();
    days.extend(from.map(|day| ("$gte".to_owned(), day.to_string().into())));
    days.extend(to.map(|day| ("$lte".to_owned(), day.to_string().into())));
    if days.is_empty() {
        filter.insert("state.details.startsAt", doc! { "$gt": now.to_string() });
    } else {
        filter.insert("state.day", days);
    }
    if let Some(text) = q {
        let tokens = search_tokens([text.as_ref()]);
        if tokens.is_empty() {
            return Ok(Page { items: Vec::new(), next_cursor: None });
        }
        filter.insert("state.words", doc! { "$all": tokens });
    }
    if let Some(city) = city {
        filter.insert("state.foldedCity", folded_city(&city, ""));
    }
    if let Some(category) = category {
        filter.insert("state.details.category", category.as_ref());
    }
    shows.page(filter, &PageRequest::from(&PageQuery { limit, cursor })).await
}

/// One page of the listings of a show that are for sale, newest first.
pub(crate) async fn page_of_listings(
    tickets: &Store<Ticket>,
    hidden: HiddenSeller,
    show: ShowId,
    query: &ShowTicketsQuery,
    now: Timestamp,
) -> Result<Page<StoredAggregate>, StoreError> {
    let mut filter = doc! {
        "state.show.id": show.to_string(),
        "state.status.name": TicketStatus::Available.as_ref(),
        "state.show.isCancelled": false,
        "state.listing.startsAt": { "$gt": now.to_string() },
    };
    hidden.exclude(&mut filter);
    if let Some(quantity) = query.quantity {
        filter.insert("state.status.quantities", i64::from(quantity));
    }
    if let Some(section) = &query.section {
        filter.insert("state.listing.section", section.to_string());
    }
    if let Some(currency) = &query.currency {
        filter.insert("state.listing.price.currency", currency.to_string());
    }
    if let Some(max) = query.max {
        filter.insert("state.listing.price.amount", doc! { "$lte": max });
    }
    tickets.page_of_stored(filter, &PageRequest::from(&query.page())).await
}

/// The next batch of the listings that name this show, in any status, by id. `after` is the last id of the previous
/// batch.
pub(crate) async fn listings_of(
    tickets: &Store<Ticket>,
    show: ShowId,
    after: &str,
) -> Result<Vec<Versioned<Ticket>>, StoreError> {
    let filter = doc! { "state.show.id": show.to_string(), "_id": { "$gt": after } };
    tickets.find_by_index(SHOW_INDEX, filter, doc! { "_id": 1 }, SPREAD_BATCH).await
}

/// What is for sale of a show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The number of free seats.
    pub(crate) free: u64,
    /// The lowest price in each currency, sorted by its code.
    pub(crate) from: Vec<Money>,
}

/// Reads what is for sale of shows.
///
/// # Why
/// It is counted in an index of the listings. If it were stored in the show, each hold would write the show, and all
/// holds of a popular show would wait for each other.
#[derive(Clone)]
pub(crate) struct Offers {
    listings: Collection<Document>,
    hidden: HiddenSeller,
}

#[derive(Deserialize)]
struct OfferRow {
    #[serde(rename = "_id")]
    key: OfferKey,
    free: i64,
    lowest: i64,
}

#[derive(Deserialize)]
struct OfferKey {
    show: ShowId,
    currency: Currency,
}

impl Offers {
    pub(crate) fn new(database: &Database, hidden: HiddenSeller) -> Self {
        Self { listings: database.collection(Ticket::COLLECTION), hidden }
    }

    /// The offers of these shows. A show without a listing for sale has no entry.
    pub(crate) async fn of(&self, shows: Vec<ShowId>) -> Result<HashMap<ShowId, Offer>, StoreError> {
        let ids: Vec<String> = shows.iter().map(ToString::to_string).collect();
        let mut for_sale =
            doc! { "state.show.id": { "$in": ids }, "state.status.name": TicketStatus::Available.as_ref() };
        self.hidden.exclude(&mut for_sale);
        let group = doc! {
            "_id": { "show": "$state.show.id", "currency": "$state.listing.price.currency" },
            "free": { "$sum": { "$toLong": "$state.status.free" } },
            "lowest": { "$min": "$state.listing.price.amount" },
        };
        let counted = self.listings.aggregate([doc! { "$match": for_sale }, doc! { "$group": group }]);
        let rows = counted.hint(Hint::Name(OFFERS_INDEX.to_owned())).with_type::<OfferRow>().await?;
        let mut rows: Vec<OfferRow> = rows.try_collect().await?;
        rows.sort_by(|one, other| one.key.currency.cmp(&other.key.currency));
        let mut offers: HashMap<ShowId, Offer> = HashMap::new();
        for OfferRow { key, free, lowest } in rows {
            let offer = offers.entry(key.show).or_default();
            offer.free += u64::try_from(free).unwrap_or_default();
            offer.from.push(Money { amount: lowest, currency: key.currency });
        }
        Ok(offers)
    }

    /// Of these shows, those that have a listing which is not withdrawn.
    pub(crate) async fn listed(&self, shows: Vec<ShowId>) -> Result<HashSet<ShowId>, StoreError> {
        if shows.is_empty() {
            return Ok(HashSet::new());
        }
        let ids: Vec<String> = shows.iter().map(ToString::to_string).collect();
        let listed = any_of(&[TicketStatus::Available, TicketStatus::Reserved, TicketStatus::Sold]);
        let mut filter = doc! { "state.show.id": { "$in": ids }, "state.status.name": listed };
        self.hidden.exclude(&mut filter);
        let found = self.listings.distinct("state.show.id", filter).await?;
        Ok(found.iter().filter_map(Bson::as_str).filter_map(|id| id.parse().ok()).collect())
    }
}
