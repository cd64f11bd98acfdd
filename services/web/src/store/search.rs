//! Search for shows: builds queries whose results come from an index in the requested order, and merges them into
//! pages.
//!
//! # Why
//! - Each query reads an index that has the requested order: equality with the prefix of a word, then a range of times.
//! - What shows have for sale is counted for as many shows as fit on the page. If some have nothing, the following shows
//!   are read until the page is full.
//! - The results of several queries are merged here, because the first `n` of all results are among the first `n` of
//!   each query. The database would sort all of them in memory.
//! - A word may also be part of a seller's name. Sellers are looked up by all words together and by each word alone, so
//!   that a full name is found among many users with the same first name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use common::aggregate::Versioned;
use common::day::Day;
use common::events::show::{ShowState, ShowStatus};
use common::events::ticket::TicketStatus;
use common::id::UserId;
use common::timestamp::Timestamp;
use futures::TryStreamExt;
use futures::future::try_join_all;
use jiff::tz::TimeZone;
use mongodb::bson::{Bson, Document, doc, serialize_to_bson};
use platform::store::error::StoreError;
use platform::store::index::any_of;

use super::model::Replicas;
use super::offers;
use super::vocabulary::Vocabulary;
use crate::domain::filter::Filter;
use crate::domain::offer::ShowOffer;
use crate::domain::period::Period;
use crate::domain::search::{name_matches, query_keys};
use crate::domain::sort::{Sort, SortKey};

/// Maximum number of sellers looked up by one name.
const MAX_SELLERS: i64 = 20;
/// Maximum number of shows that the sellers of one name sell tickets for.
const MAX_SHOWS_OF_SELLERS: i64 = 500;
/// Maximum number of words of a search that are looked up as names.
const MAX_NAME_WORDS: usize = 4;
/// Minimum length in bytes of a word looked up as a name: shorter prefixes match too many users. One Chinese character
/// has three bytes.
const MIN_NAME_BYTES: usize = 3;
/// Maximum number of queries by seller.
const MAX_SELLER_QUERIES: usize = 4;
/// Maximum number of shows that are read at once, if few of them have what a filter asks for.
const MAX_READ_AHEAD: i64 = 500;
/// How much earlier or later than in UTC a day may begin or end at a venue. It bounds the times that the index of times
/// has to examine; the day itself is then compared.
const ZONE_MARGIN: Duration = Duration::from_secs(15 * 3_600);
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Debug, Default)]
pub(crate) struct SearchResult {
    pub shows: Vec<ShowOffer>,
    /// The corrected search words, if the original ones found nothing.
    pub corrected: Option<String>,
}

/// The first shows that match at `now`, at most `limit`. Shows that have begun never match.
pub(crate) async fn search(
    model: &Replicas,
    vocabulary: &Vocabulary,
    filter: &Filter,
    now: Timestamp,
    limit: i64,
) -> Result<SearchResult, StoreError> {
    let search = Search { model, filter, now, limit };
    let Some(words) = &filter.words else {
        return Ok(SearchResult { shows: search.page(search.query()).await?, corrected: None });
    };
    if words.is_empty() {
        return Ok(SearchResult::default());
    }
    let (shows, sellers) = search.by_words(words).await?;
    if !shows.is_empty() || filter.after.is_some() {
        return Ok(SearchResult { shows, corrected: None });
    }
    let is_name = |word: &str| sellers.values().any(|name| name_matches(name, word));
    for words in vocabulary.corrections(words, is_name).await? {
        let (shows, _) = search.by_words(&words).await?;
        if !shows.is_empty() {
            return Ok(SearchResult { shows, corrected: Some(words.join(" ")) });
        }
    }
    Ok(SearchResult::default())
}

struct Search<'a> {
    model: &'a Replicas,
    filter: &'a Filter,
    now: Timestamp,
    limit: i64,
}

impl Search<'_> {
    /// The shows that have all these words in their own texts or in the name of a seller, with the sellers whose name
    /// matches a word.
    async fn by_words(&self, words: &[String]) -> Result<(Vec<ShowOffer>, BTreeMap<UserId, String>), StoreError> {
        let by_words = self.page(self.query_with(&words.iter().collect::<Vec<_>>()));
        let (mut found, sellers) = tokio::try_join!(by_words, self.sellers(words))?;
        // Group the sellers by the words that are not in their names. Shows must have these words. Fewest words first.
        let mut groups: BTreeMap<(usize, Vec<&String>), Vec<String>> = BTreeMap::new();
        for (seller, name) in &sellers {
            let remaining: Vec<_> = words.iter().filter(|word| !name_matches(name, word)).collect();
            groups.entry((remaining.len(), remaining)).or_default().push(seller.to_string());
        }
        let groups = groups.iter().take(MAX_SELLER_QUERIES);
        let queries: Vec<_> = groups.map(|((_, remaining), sellers)| self.by_sellers(remaining, sellers)).collect();
        found.extend(try_join_all(queries).await?.into_iter().flatten());
        let sort = self.filter.sort;
        found.sort_by_key(|found| sort.key(&found.show));
        if !sort.is_ascending() {
            found.reverse();
        }
        let mut seen = BTreeSet::new();
        found.retain(|found| seen.insert(found.show.id));
        found.truncate(usize::try_from(self.limit).unwrap_or(usize::MAX));
        Ok((found, sellers))
    }

    /// The ids and names of users whose name matches one or all of these words.
    async fn sellers(&self, words: &[String]) -> Result<BTreeMap<UserId, String>, StoreError> {
        let names = words.iter().map(String::as_str).filter(|word| word.len() >= MIN_NAME_BYTES);
        let names: Vec<_> = names.take(MAX_NAME_WORDS).collect();
        let mut searches: Vec<_> = names.iter().map(|name| query_keys([*name], None)).collect();
        if names.len() > 1 {
            searches.push(query_keys(names, None));
        }
        let found = searches.into_iter().map(|keys| {
            let filter = doc! { "words": { "$all": keys } };
            self.model.users.find_sorted(filter, doc! { "_id": 1 }, MAX_SELLERS)
        });
        let found = try_join_all(found).await?.into_iter().flatten();
        Ok(found.map(|user| (user.state.id, user.state.display_name)).collect())
    }

    /// The first shows that these sellers have a ticket for, and that have these words.
    async fn by_sellers(&self, words: &[&String], sellers: &[String]) -> Result<Vec<ShowOffer>, StoreError> {
        let mut query = self.query_with(words);
        query.insert("_id", doc! { "$in": self.shows_of(sellers).await? });
        self.page(query).await
    }

    /// The ids of shows that these sellers have a ticket for sale for.
    async fn shows_of(&self, sellers: &[String]) -> Result<Vec<String>, StoreError> {
        let hidden = self.model.hidden_seller.map(|seller| seller.to_string());
        let sellers = sellers.iter().map(String::as_str).filter(|seller| Some(*seller) != hidden.as_deref());
        let sellers: Vec<_> = sellers.collect();
        let stages = [
            doc! { "$match": {
                "state.sellerId": { "$in": sellers },
                "state.status": TicketStatus::Available.as_ref(),
                "state.startsAt": { "$gt": self.now.to_string() },
            } },
            doc! { "$group": { "_id": "$state.showId" } },
            doc! { "$limit": MAX_SHOWS_OF_SELLERS },
        ];
        let found: Vec<Document> = self.model.ticket_documents.aggregate(stages).await?.try_collect().await?;
        Ok(found.iter().filter_map(|show| Some(show.get_str("_id").ok()?.to_owned())).collect())
    }

    /// The first shows that match this query and have what the filter asks for.
    async fn page(&self, query: Document) -> Result<Vec<ShowOffer>, StoreError> {
        let (began, limit) = (Instant::now(), usize::try_from(self.limit).unwrap_or(usize::MAX));
        // Almost every show has a ticket for sale, so the first shows usually fill the page. Where they do not, each
        // further query reads more shows than the one before.
        let (mut found, mut next, mut count) = (Vec::new(), query.clone(), self.limit);
        loop {
            // What is left of the time for the whole search. The database can only limit a single command.
            let max_time = offers::MAX_TIME.saturating_sub(began.elapsed()).max(Duration::from_millis(1));
            let shows = self.shows(next, count, max_time).await?;
            let last = shows.last().map(|show| self.filter.sort.key(show));
            let is_end = i64::try_from(shows.len()).is_ok_and(|read| read < count);
            found.extend(self.with_offers(shows, max_time).await?);
            let Some(last) = last.filter(|_| !is_end && found.len() < limit) else { break };
            next = doc! { "$and": [query.clone(), is_after(self.filter.sort, last)] };
            count = (count * 4).min(MAX_READ_AHEAD);
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The first shows that match this query, at most this number.
    async fn shows(
        &self,
        query: Document,
        count: i64,
        max_time: Duration,
    ) -> Result<Vec<Versioned<ShowState>>, StoreError> {
        let direction = if self.filter.sort.is_ascending() { 1 } else { -1 };
        let order = match self.filter.sort {
            Sort::Soonest => doc! { "state.startsAt": direction, "_id": direction },
            Sort::Newest => doc! { "_id": direction },
        };
        let shows = self.model.show_documents.clone_with_type::<Versioned<ShowState>>();
        let found = shows.find(query).sort(order).limit(count).max_time(max_time);
        // One batch has all of them, so that no second command is needed.
        let found = found.batch_size(u32::try_from(count).unwrap_or(u32::MAX));
        Ok(found.projection(doc! { "version": 1, "state": 1 }).await?.try_collect().await?)
    }

    /// Those of these shows that have what the filter asks for, with their offers.
    async fn with_offers(
        &self,
        mut shows: Vec<Versioned<ShowState>>,
        max_time: Duration,
    ) -> Result<Vec<ShowOffer>, StoreError> {
        let Filter { include_unavailable, quantity, .. } = *self.filter;
        if let Some(wanted) = self.priced_listing() {
            offers::retain_with_listing(self.model, &mut shows, wanted, max_time).await?;
        } else if include_unavailable && self.model.hidden_seller.is_some() {
            // A show may have listings of the hidden seller only.
            offers::retain_with_listing(self.model, &mut shows, offers::not_hidden(self.model), max_time).await?;
        }
        let mut found = offers::with_offers(self.model, shows, quantity, max_time).await?;
        if !include_unavailable || quantity.is_some() {
            found.retain(|found| !found.offer.from.is_empty());
        }
        Ok(found)
    }

    /// The condition that a listing of the show must meet; `None` if the filter names no price.
    fn priced_listing(&self) -> Option<Document> {
        let filter = self.filter;
        let mut wanted = offers::for_sale(self.model, filter.quantity);
        wanted.insert("state.price.currency", filter.currency.as_ref()?.to_string());
        let mut amounts = Document::new();
        amounts.extend(filter.min_price.map(|price| ("$gte".to_owned(), Bson::Int64(price))));
        amounts.extend(filter.max_price.map(|price| ("$lte".to_owned(), Bson::Int64(price))));
        if !amounts.is_empty() {
            wanted.insert("state.price.amount", amounts);
        }
        Some(wanted)
    }

    fn query_with(&self, words: &[&String]) -> Document {
        let mut query = self.query();
        if !words.is_empty() {
            let keys = query_keys(words.iter().map(|word| word.as_str()), self.filter.category);
            query.insert("words", doc! { "$all": keys });
        }
        query
    }

    /// The conditions of the filter that a show itself meets, without the words.
    fn query(&self) -> Document {
        let filter = self.filter;
        let mut query = doc! { "state.mergedInto": null };
        if !filter.include_cancelled {
            query.insert("state.status", any_of(&[ShowStatus::Scheduled, ShowStatus::Moved]));
        }
        if let Some(category) = filter.category.and_then(|category| serialize_to_bson(&category).ok()) {
            query.insert("state.category", category);
        }
        // A show that starts now has begun.
        let mut earliest = self.now.plus(Duration::from_millis(1));
        let mut conditions = Vec::new();
        if let Some(period) = filter.period {
            conditions.push(is_within(period, self.now));
        }
        let mut days = Document::new();
        if let Some(day) = filter.from {
            days.insert("$gte", day.to_string());
            earliest = earliest.max(midnight(day).minus(ZONE_MARGIN));
        }
        let mut times = Document::new();
        if let Some(day) = filter.to {
            days.insert("$lte", day.to_string());
            times.insert("$lt", midnight(day).plus(DAY + ZONE_MARGIN).to_string());
        }
        if !days.is_empty() {
            query.insert("day", days);
        }
        if let Some(after) = filter.after {
            conditions.push(is_after(filter.sort, after));
        }
        times.insert("$gte", earliest.to_string());
        query.insert("state.startsAt", times);
        if !conditions.is_empty() {
            query.insert("$and", conditions);
        }
        query
    }
}

/// The condition that a show is on in this period, by the calendar of its venue.
fn is_within(period: Period, now: Timestamp) -> Document {
    let days = period.days_by_zone(now);
    let named: Vec<&str> = days.iter().flat_map(|days| days.zones.iter().copied()).collect();
    let conditions = days.iter().map(|days| {
        let zones = if days.zones.is_empty() {
            doc! { "$nin": &named }
        } else {
            doc! { "$in": &days.zones }
        };
        doc! {
            "day": { "$gte": days.first.to_string(), "$lte": days.last.to_string() },
            "state.timeZone": zones,
        }
    });
    let latest = days.iter().map(|days| days.last).max();
    let mut condition = doc! { "$or": conditions.collect::<Vec<_>>() };
    if let Some(latest) = latest {
        condition.insert("state.startsAt", doc! { "$lt": midnight(latest).plus(DAY + ZONE_MARGIN).to_string() });
    }
    condition
}

/// The condition that a show comes after this key.
fn is_after(sort: Sort, key: SortKey) -> Document {
    let id = key.id.to_string();
    match sort {
        Sort::Soonest => {
            let time = Timestamp::from_millis(key.value).to_string();
            // The first condition follows from the second, but only the first bounds what is read of the index.
            doc! {
                "state.startsAt": { "$gte": &time },
                "$or": [{ "state.startsAt": { "$gt": &time } }, { "_id": { "$gt": id } }],
            }
        }
        Sort::Newest => doc! { "_id": { "$lt": id } },
    }
}

/// The start of a day in UTC.
fn midnight(day: Day) -> Timestamp {
    let start = day.date().to_zoned(TimeZone::UTC).map_or(i64::MAX, |start| start.timestamp().as_millisecond());
    Timestamp::from_millis(start)
}
