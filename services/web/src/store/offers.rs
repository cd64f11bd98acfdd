//! What shows have for sale. Also the listings of one show, those of watched shows, the latest price drops, and how much
//! a seller has sold.
//!
//! # Why
//! Nothing of this is stored with the show: each hold would write it. It is counted for all shows of a page at once, by
//! indexes that have all that is counted, so that no listing is read for it. A `$lookup` would cost the database three
//! times as much, since it plans a query for each show.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use common::aggregate::Versioned;
use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::{TicketState, TicketStatus};
use common::id::{ShowId, UserId};
use common::money::{Currency, Money};
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::bson::{Document, doc};
use platform::store::error::StoreError;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::lists;
use super::model::Replicas;
use crate::domain::offer::{Offer, ShowOffer};
use crate::domain::show_watch::ShowWatch;

/// Maximum number of listings on the page of a show.
pub(crate) const MAX_LISTINGS: usize = 500;
/// How many price drops are examined for each show that is returned: several may be of one show.
const DROPS_PER_SHOW: i64 = 10;
/// Maximum duration of a search. A filter that hardly any show meets looks at all of them, and the database would go on
/// after the visitor has left.
pub(super) const MAX_TIME: Duration = Duration::from_secs(5);

/// The seats of a show that are for sale in one currency.
#[derive(Debug, Deserialize)]
struct CurrencyOffer {
    #[serde(rename = "_id")]
    key: OfferKey,
    free: u64,
    from: i64,
}

#[derive(Debug, Deserialize)]
struct OfferKey {
    show: ShowId,
    currency: Currency,
}

/// The latest change of a listing of a show.
#[derive(Debug, Deserialize)]
struct LatestChange {
    #[serde(rename = "_id")]
    show: ShowId,
    at: Timestamp,
}

/// A show that has a listing that matches.
#[derive(Debug, Deserialize)]
struct MatchingShow {
    #[serde(rename = "_id")]
    id: ShowId,
}

/// A show without what it has for sale.
#[derive(Debug, Deserialize)]
struct FoundRevision {
    #[serde(rename = "_id")]
    id: ShowId,
    state: LastUpdate,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LastUpdate {
    updated_at: Timestamp,
}

fn offer(show: &ShowState, latest: Option<Timestamp>, mut offers: Vec<CurrencyOffer>) -> Offer {
    offers.sort_by(|one, other| other.free.cmp(&one.free).then_with(|| one.key.currency.cmp(&other.key.currency)));
    Offer {
        free: offers.iter().map(|offer| offer.free).sum(),
        revision: revision(show.updated_at, latest),
        from: offers.into_iter().map(|offer| Money { amount: offer.from, currency: offer.key.currency }).collect(),
    }
}

fn revision(show_updated_at: Timestamp, latest: Option<Timestamp>) -> u64 {
    let at = latest.map_or(show_updated_at, |latest| latest.max(show_updated_at));
    u64::try_from(at.as_millis()).unwrap_or_default()
}

/// The condition that a listing is not one of the hidden seller.
pub(super) fn not_hidden(model: &Replicas) -> Document {
    let hidden = model.hidden_seller.map(|seller| seller.to_string());
    hidden.map(|seller| doc! { "state.sellerId": { "$ne": seller } }).unwrap_or_default()
}

/// When a listing of each of these shows changed last. Listings of the hidden seller count too: without a condition for
/// them the database reads only the first entry of each show in the index, which is the latest change.
async fn latest_changes(
    model: &Replicas,
    shows: &[String],
    max_time: Duration,
) -> Result<HashMap<ShowId, Timestamp>, StoreError> {
    let stages = [
        doc! { "$match": { "state.showId": { "$in": shows } } },
        doc! { "$sort": { "state.showId": 1, "state.updatedAt": -1 } },
        doc! { "$group": { "_id": "$state.showId", "at": { "$first": "$state.updatedAt" } } },
    ];
    let found: Vec<LatestChange> = aggregate(model, stages, max_time).await?;
    Ok(found.into_iter().map(|latest| (latest.show, latest.at)).collect())
}

/// What each of these shows has for sale in each currency, in listings that sell this many seats together.
async fn currency_offers(
    model: &Replicas,
    shows: &[String],
    quantity: Option<u8>,
    max_time: Duration,
) -> Result<HashMap<ShowId, Vec<CurrencyOffer>>, StoreError> {
    let mut filter = for_sale(model, quantity);
    filter.insert("state.showId", doc! { "$in": shows });
    let by_currency = doc! {
        "_id": { "show": "$state.showId", "currency": "$state.price.currency" },
        "free": { "$sum": "$free" },
        "from": { "$min": "$state.price.amount" },
    };
    let found: Vec<CurrencyOffer> =
        aggregate(model, [doc! { "$match": filter }, doc! { "$group": by_currency }], max_time).await?;
    let mut offers: HashMap<ShowId, Vec<CurrencyOffer>> = HashMap::new();
    for offer in found {
        offers.entry(offer.key.show).or_default().push(offer);
    }
    Ok(offers)
}

/// Runs these stages on the listings.
async fn aggregate<T: DeserializeOwned + Send + Sync>(
    model: &Replicas,
    stages: impl IntoIterator<Item = Document>,
    max_time: Duration,
) -> Result<Vec<T>, StoreError> {
    let found = model.ticket_documents.aggregate(stages).max_time(max_time).with_type::<T>().await?;
    Ok(found.try_collect().await?)
}

/// Adds to each show what it has for sale, in listings that sell this many seats together.
///
/// The latest change is read before the offers. If a listing changes between the two queries, the offer has an old
/// revision, so the change is noticed at the next look; in the other order it would be missed.
pub(super) async fn with_offers(
    model: &Replicas,
    shows: Vec<Versioned<ShowState>>,
    quantity: Option<u8>,
    max_time: Duration,
) -> Result<Vec<ShowOffer>, StoreError> {
    if shows.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<_> = shows.iter().map(|show| show.id.to_string()).collect();
    let latest = latest_changes(model, &ids, max_time).await?;
    let mut offers = currency_offers(model, &ids, quantity, max_time).await?;
    let with_offer = |show: Versioned<ShowState>| {
        let offers = offers.remove(&show.id).unwrap_or_default();
        ShowOffer { offer: offer(&show, latest.get(&show.id).copied(), offers), show }
    };
    Ok(shows.into_iter().map(with_offer).collect())
}

/// Keeps the shows that have a listing which matches.
pub(super) async fn retain_with_listing(
    model: &Replicas,
    shows: &mut Vec<Versioned<ShowState>>,
    mut filter: Document,
    max_time: Duration,
) -> Result<(), StoreError> {
    if shows.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = shows.iter().map(|show| show.id.to_string()).collect();
    filter.insert("state.showId", doc! { "$in": ids });
    let stages = [doc! { "$match": filter }, doc! { "$group": { "_id": "$state.showId" } }];
    let found: Vec<MatchingShow> = aggregate(model, stages, max_time).await?;
    let matching: HashSet<ShowId> = found.into_iter().map(|show| show.id).collect();
    shows.retain(|show| matching.contains(&show.id));
    Ok(())
}

/// Matches the listings that are for sale and in lists, and that sell this many seats together.
pub(super) fn for_sale(model: &Replicas, quantity: Option<u8>) -> Document {
    let mut filter = not_hidden(model);
    filter.insert("state.status", TicketStatus::Available.as_ref());
    if let Some(quantity) = quantity {
        filter.insert("quantities", i64::from(quantity));
    }
    filter
}

/// The shows with these ids that are known, in no particular order.
pub(crate) async fn shows_by_ids(
    model: &Replicas,
    ids: impl IntoIterator<Item = ShowId>,
) -> Result<Vec<ShowOffer>, StoreError> {
    shows_with_seats_together(model, ids, None).await
}

/// These shows with what they have for sale in listings that sell this many seats together.
pub(crate) async fn shows_with_seats_together(
    model: &Replicas,
    ids: impl IntoIterator<Item = ShowId>,
    quantity: Option<u8>,
) -> Result<Vec<ShowOffer>, StoreError> {
    let shows = lists::known_shows(&model.shows, ids).await?;
    with_offers(model, shows, quantity, MAX_TIME).await
}

/// The revisions of the offers of these shows. Unlike the offers, they cost the same for any number of listings.
pub(crate) async fn revisions(
    model: &Replicas,
    ids: impl IntoIterator<Item = ShowId>,
) -> Result<HashMap<ShowId, u64>, StoreError> {
    let ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let shows = model.show_documents.clone_with_type::<FoundRevision>();
    let found = shows.find(doc! { "_id": { "$in": &ids } }).projection(doc! { "state.updatedAt": 1 }).await?;
    let found: Vec<FoundRevision> = found.try_collect().await?;
    let latest = latest_changes(model, &ids, MAX_TIME).await?;
    let revision = |found: FoundRevision| (found.id, revision(found.state.updated_at, latest.get(&found.id).copied()));
    Ok(found.into_iter().map(revision).collect())
}

/// The show with this id.
pub(crate) async fn show_by_id(model: &Replicas, id: ShowId) -> Result<Option<ShowOffer>, StoreError> {
    Ok(shows_by_ids(model, [id]).await?.pop())
}

/// The listings of a show that are for sale, the cheapest of each currency first.
pub(crate) async fn listings_of_show(
    model: &Replicas,
    show: ShowId,
) -> Result<Vec<Versioned<TicketState>>, StoreError> {
    let mut filter = for_sale(model, None);
    filter.insert("state.showId", show.to_string());
    let order = doc! { "state.price.currency": 1, "state.price.amount": 1, "_id": 1 };
    model.tickets.find_sorted(filter, order, i64::try_from(MAX_LISTINGS).unwrap_or(i64::MAX)).await
}

/// Other sellers' listings that are for sale, that one of these watches admits, and that changed after it began; the
/// latest change first. With each watch comes the show that its own was merged into, or its own: a listing may not have
/// followed it yet.
pub(crate) async fn watched_listings(
    model: &Replicas,
    user: UserId,
    watches: &[(&ShowWatch, ShowId)],
    limit: i64,
) -> Result<Vec<Versioned<TicketState>>, StoreError> {
    let Some(since) = watches.iter().map(|(watch, _)| watch.since).min() else { return Ok(Vec::new()) };
    let shows: BTreeSet<_> = watches.iter().flat_map(|(watch, present)| [watch.show, *present]).collect();
    let shows: Vec<_> = shows.into_iter().map(|show| show.to_string()).collect();
    let admitted: Vec<_> = watches.iter().map(|(watch, present)| admitted_listings(watch, *present)).collect();
    let sellers: Vec<_> = [user].into_iter().chain(model.hidden_seller).map(|seller| seller.to_string()).collect();
    let filter = doc! {
        "state.showId": { "$in": shows },
        "state.updatedAt": { "$gt": since.to_string() },
        "state.status": TicketStatus::Available.as_ref(),
        "state.sellerId": { "$nin": sellers },
        "state.showCancelled": { "$ne": true },
        "$or": admitted,
    };
    model.tickets.find_sorted(filter, doc! { "state.updatedAt": -1 }, limit).await
}

/// Matches the listings of a watched show, or of the one that it was merged into, at a price that the watch admits.
fn admitted_listings(watch: &ShowWatch, present: ShowId) -> Document {
    let mut filter = doc! {
        "state.showId": { "$in": [watch.show.to_string(), present.to_string()] },
        "state.updatedAt": { "$gt": watch.since.to_string() },
    };
    if let Some(max) = &watch.max {
        filter.insert("state.price.currency", max.currency.to_string());
        filter.insert("state.price.amount", doc! { "$lte": max.amount });
    }
    filter
}

/// The number of seats that a seller has sold; none of the hidden seller's count.
pub(crate) async fn sales_count(model: &Replicas, seller: UserId) -> Result<u64, StoreError> {
    if model.hidden_seller == Some(seller) {
        return Ok(0);
    }
    let total = doc! { "$group": { "_id": null, "sold": { "$sum": "$sold" } } };
    let stages = [doc! { "$match": lists::sold_by(seller) }, total];
    let mut found = model.ticket_documents.aggregate(stages).await?;
    if !found.advance().await? {
        return Ok(0);
    }
    Ok(found.current().get_i64("sold").ok().and_then(|sold| u64::try_from(sold).ok()).unwrap_or_default())
}

/// The listings that became cheaper last, at most one for each show that is open, with their shows.
pub(crate) async fn price_drops(
    model: &Replicas,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<(Versioned<TicketState>, ShowOffer)>, StoreError> {
    let mut filter = for_sale(model, None);
    filter.insert("state.priceDrop.at", doc! { "$exists": true });
    filter.insert("state.startsAt", doc! { "$gt": now.to_string() });
    filter.insert("state.showCancelled", doc! { "$ne": true });
    let order = doc! { "state.priceDrop.at": -1, "_id": -1 };
    let mut dropped = model.tickets.find_sorted(filter, order, limit * DROPS_PER_SHOW).await?;
    let mut seen = BTreeSet::new();
    dropped.retain(|ticket| seen.insert(ticket.show_id));
    dropped.truncate(usize::try_from(limit).unwrap_or_default());
    let shows = shows_by_ids(model, dropped.iter().map(|ticket| ticket.show_id)).await?;
    let open = shows.into_iter().filter(|found| found.show.status != ShowStatus::Cancelled);
    let mut shows: HashMap<_, _> = open.map(|found| (found.show.id, found)).collect();
    Ok(dropped.into_iter().filter_map(|ticket| shows.remove(&ticket.show_id).map(|show| (ticket, show))).collect())
}
