//! What shows have for sale: one aggregation over the shows and their listings. Also the listings of one show, those of
//! watched shows, the latest price drops, and how much a seller has sold.
//!
//! # Why
//! Nothing of this is stored with the show: each hold would write it. The database joins each show with its listings by
//! an index that has all that is counted, so that no listing is read for it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use common::aggregate::Versioned;
use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::{TicketState, TicketStatus};
use common::id::{ShowId, UserId};
use common::money::{Currency, Money};
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use mongodb::Collection;
use mongodb::bson::{Document, doc};
use platform::store::error::StoreError;
use serde::Deserialize;

use super::lists;
use super::model::Replicas;
use crate::domain::offer::{Offer, ShowOffer};
use crate::domain::show_watch::ShowWatch;

/// Maximum number of listings on the page of a show.
pub(crate) const MAX_LISTINGS: usize = 500;
/// How many price drops are examined for each show that is returned: several may be of one show.
const DROPS_PER_SHOW: i64 = 10;
/// Maximum duration of an aggregation. A filter that hardly any show meets looks at all of them, and the database would
/// go on after the visitor has left.
pub(super) const MAX_TIME: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize)]
struct FoundShow {
    version: u64,
    state: ShowState,
    /// At most one.
    latest: Vec<LatestChange>,
    offers: Vec<CurrencyOffer>,
}

/// The latest change of a listing of the show.
#[derive(Debug, Deserialize)]
struct LatestChange {
    at: Timestamp,
}

/// The seats that are for sale in one currency.
#[derive(Debug, Deserialize)]
struct CurrencyOffer {
    #[serde(rename = "_id")]
    currency: Currency,
    free: u64,
    from: i64,
}

impl From<FoundShow> for ShowOffer {
    fn from(found: FoundShow) -> Self {
        let FoundShow { version, state, latest, mut offers } = found;
        offers.sort_by(|one, other| other.free.cmp(&one.free).then_with(|| one.currency.cmp(&other.currency)));
        let offer = Offer {
            free: offers.iter().map(|offer| offer.free).sum(),
            revision: revision(state.updated_at, &latest),
            from: offers.into_iter().map(|offer| Money { amount: offer.from, currency: offer.currency }).collect(),
        };
        Self { show: Versioned { version, state }, offer }
    }
}

/// A show without what it has for sale.
#[derive(Debug, Deserialize)]
struct FoundRevision {
    #[serde(rename = "_id")]
    id: ShowId,
    #[serde(rename = "updatedAt")]
    updated_at: Timestamp,
    /// At most one.
    latest: Vec<LatestChange>,
}

fn revision(show_updated_at: Timestamp, latest: &[LatestChange]) -> u64 {
    let changes = latest.iter().map(|change| change.at).chain([show_updated_at]);
    changes.map(Timestamp::as_millis).max().and_then(|at| u64::try_from(at).ok()).unwrap_or_default()
}

/// The stage that adds to each show the listings in this collection that match, processed by these stages.
pub(super) fn with_listings(tickets: &Collection<Document>, field: &str, stages: Vec<Document>) -> Document {
    doc! { "$lookup": {
        "from": tickets.name(), "localField": "_id", "foreignField": "state.showId", "pipeline": stages, "as": field,
    } }
}

/// The condition that a listing is not one of the hidden seller.
fn not_hidden(model: &Replicas) -> Document {
    let hidden = model.hidden_seller.map(|seller| seller.to_string());
    hidden.map(|seller| doc! { "state.sellerId": { "$ne": seller } }).unwrap_or_default()
}

/// The stage that adds to each show the latest change of its listings.
fn with_latest_change(model: &Replicas) -> Document {
    let mut latest = vec![
        doc! { "$sort": { "state.updatedAt": -1 } },
        doc! { "$limit": 1 },
        doc! { "$project": { "_id": 0, "at": "$state.updatedAt" } },
    ];
    if model.hidden_seller.is_some() {
        latest.insert(0, doc! { "$match": not_hidden(model) });
    }
    with_listings(&model.ticket_documents, "latest", latest)
}

/// The stages that add to each show what it has for sale, in listings that sell this many seats together.
///
/// The latest change is read before the offers. If a listing changes between the two stages, the offer has an old
/// revision, so the change is noticed at the next look; in the other order it would be missed.
pub(super) fn with_offers(model: &Replicas, quantity: Option<u8>) -> [Document; 2] {
    let by_currency = doc! {
        "_id": "$state.price.currency", "free": { "$sum": "$free" }, "from": { "$min": "$state.price.amount" },
    };
    let offers = vec![doc! { "$match": for_sale(model, quantity) }, doc! { "$group": by_currency }];
    [with_latest_change(model), with_listings(&model.ticket_documents, "offers", offers)]
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

/// The shows that these stages return, which include those of [`with_offers`].
pub(super) async fn aggregate(model: &Replicas, stages: Vec<Document>) -> Result<Vec<ShowOffer>, StoreError> {
    let found = model.show_documents.aggregate(stages).max_time(MAX_TIME).with_type::<FoundShow>().await?;
    let found: Vec<FoundShow> = found.try_collect().await?;
    Ok(found.into_iter().map(ShowOffer::from).collect())
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
    let ids: Vec<_> = ids.into_iter().map(|id| id.to_string()).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let [latest, offers] = with_offers(model, quantity);
    aggregate(model, vec![doc! { "$match": { "_id": { "$in": ids } } }, latest, offers]).await
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
    let stages = [
        doc! { "$match": { "_id": { "$in": ids } } },
        with_latest_change(model),
        doc! { "$project": { "updatedAt": "$state.updatedAt", "latest": 1 } },
    ];
    let found = model.show_documents.aggregate(stages).with_type::<FoundRevision>().await?;
    let found: Vec<FoundRevision> = found.try_collect().await?;
    Ok(found.into_iter().map(|found| (found.id, revision(found.updated_at, &found.latest))).collect())
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
