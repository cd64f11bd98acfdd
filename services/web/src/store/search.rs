//! Ticket search: builds queries that indexes answer in order, and merges and pages their results.
//!
//! # Why
//! Each query is answered by an index in the requested order: equality on a word prefix or on a seller, then a range
//! of times. The results of several queries are merged here, since the first `n` of a union are among the first `n` of
//! each query; the database would sort in memory. For the same reason a further page runs two queries: the rest of the
//! listings with the same sort value, such as many tickets of one event, then the listings after that value. A word may
//! also be part of a seller's name. Sellers are looked up by all words together and by each word alone, so that a full
//! name is found among many users with the same first name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::aggregate::Versioned;
use common::events::ticket::{TicketState, TicketStatus};
use common::id::UserId;
use common::timestamp::Timestamp;
use futures::future::try_join_all;
use mongodb::bson::{Bson, Document, doc, serialize_to_bson};
use platform::store::error::StoreError;
use platform::store::index::any_of;

use super::model::Replicas;
use super::vocabulary::Vocabulary;
use crate::domain::filter::Filter;
use crate::domain::search::{name_matches, query_keys};
use crate::domain::sort::{Sort, SortKey};

/// Maximum number of sellers looked up by one name.
const MAX_SELLERS: i64 = 20;
/// Maximum number of words of a search that are looked up as names.
const MAX_NAME_WORDS: usize = 4;
/// Minimum length in bytes of a word looked up as a name: shorter prefixes match too many users. One Chinese character
/// has three bytes.
const MIN_NAME_BYTES: usize = 3;
/// Maximum number of queries by seller.
const MAX_SELLER_QUERIES: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct SearchResult {
    pub tickets: Vec<Versioned<TicketState>>,
    /// The corrected search words, if the original ones found nothing.
    pub corrected: Option<String>,
}

/// The first listings that match at `now`, at most `limit`. Withdrawn listings and past events never match.
pub(crate) async fn search(
    model: &Replicas,
    vocabulary: &Vocabulary,
    filter: &Filter,
    now: Timestamp,
    limit: i64,
) -> Result<SearchResult, StoreError> {
    let search = Search { model, filter, now, limit };
    let Some(words) = &filter.words else {
        return Ok(SearchResult { tickets: search.page(&search.query()).await?, corrected: None });
    };
    if words.is_empty() {
        return Ok(SearchResult::default());
    }
    let (tickets, sellers) = search.by_words(words).await?;
    if !tickets.is_empty() || filter.after.is_some() {
        return Ok(SearchResult { tickets, corrected: None });
    }
    let is_name = |word: &str| sellers.values().any(|name| name_matches(name, word));
    for words in vocabulary.corrections(words, is_name).await? {
        let (tickets, _) = search.by_words(&words).await?;
        if !tickets.is_empty() {
            return Ok(SearchResult { tickets, corrected: Some(words.join(" ")) });
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
    /// The listings that have all these words in their own texts or in their seller's name, with the sellers whose
    /// name matches a word.
    async fn by_words(
        &self,
        words: &[String],
    ) -> Result<(Vec<Versioned<TicketState>>, BTreeMap<UserId, String>), StoreError> {
        let by_words = self.query_with(&words.iter().collect::<Vec<_>>());
        let (mut found, sellers) = tokio::try_join!(self.page(&by_words), self.sellers(words))?;
        // Group the sellers by the remaining words, which their listings must have: the fewest words first.
        let mut groups: BTreeMap<(usize, Vec<&String>), Vec<String>> = BTreeMap::new();
        for (seller, name) in &sellers {
            let remaining: Vec<_> = words.iter().filter(|word| !name_matches(name, word)).collect();
            groups.entry((remaining.len(), remaining)).or_default().push(seller.to_string());
        }
        let queries: Vec<_> = groups
            .iter()
            .take(MAX_SELLER_QUERIES)
            .map(|((_, remaining), sellers)| {
                let mut query = self.query_with(remaining);
                query.insert("state.sellerId", doc! { "$in": sellers.as_slice() });
                query
            })
            .collect();
        found.extend(try_join_all(queries.iter().map(|query| self.page(query))).await?.into_iter().flatten());
        let sort = self.filter.sort;
        found.sort_by_key(|ticket| sort.key(ticket));
        if !sort.is_ascending() {
            found.reverse();
        }
        let mut seen = BTreeSet::new();
        found.retain(|ticket| seen.insert(ticket.terms.id));
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

    /// The first listings that match this query after the key where the page begins.
    async fn page(&self, query: &Document) -> Result<Vec<Versioned<TicketState>>, StoreError> {
        let (sort, tickets) = (self.filter.sort, &self.model.tickets);
        let direction = if sort.is_ascending() { 1 } else { -1 };
        let order = || match sort_field(sort) {
            "_id" => doc! { "_id": direction },
            field => doc! { field: direction, "_id": direction },
        };
        let Some(key) = self.filter.after else {
            return tickets.find_sorted(query.clone(), order(), self.limit).await;
        };
        let after = if sort.is_ascending() { "$gt" } else { "$lt" };
        let id = key.id.to_string();
        if sort == Sort::Newest {
            let mut query = query.clone();
            query.insert("_id", doc! { after: id });
            return tickets.find_sorted(query, order(), self.limit).await;
        }
        let mut ties = with_condition(query, sort_field(sort), "$eq", sort_value(sort, key));
        ties.insert("_id", doc! { after: id });
        let mut found = tickets.find_sorted(ties, order(), self.limit).await?;
        let left = self.limit - i64::try_from(found.len()).unwrap_or(i64::MAX);
        if left > 0 {
            let query = with_condition(query, sort_field(sort), after, sort_value(sort, key));
            found.extend(tickets.find_sorted(query, order(), left).await?);
        }
        Ok(found)
    }

    fn query_with(&self, words: &[&String]) -> Document {
        let mut query = self.query();
        if !words.is_empty() {
            let keys = query_keys(words.iter().map(|word| word.as_str()), self.filter.category);
            query.insert("words", doc! { "$all": keys });
        }
        query
    }

    /// The conditions of the filter, without its words and its start key.
    fn query(&self) -> Document {
        let filter = self.filter;
        let mut query = Document::new();
        if filter.include_unavailable {
            query
                .insert("state.status", any_of(&[TicketStatus::Available, TicketStatus::Reserved, TicketStatus::Sold]));
        } else {
            query.insert("state.status", TicketStatus::Available.as_ref());
        }
        // An event that starts now has begun.
        let earliest = self.now.plus(Duration::from_millis(1));
        let mut times = doc! { "$gte": filter.from.map_or(earliest, |from| from.max(earliest)).to_string() };
        if let Some(until) = filter.until {
            times.insert("$lte", until.to_string());
        }
        query.insert("state.startsAt", times);
        if let Some(category) = filter.category.and_then(|category| serialize_to_bson(&category).ok()) {
            query.insert("state.category", category);
        }
        if let Some(currency) = &filter.currency {
            query.insert("state.price.currency", currency.to_string());
        }
        let mut prices = Document::new();
        prices.extend(filter.min_price.map(|price| ("$gte".to_owned(), Bson::Int64(price))));
        prices.extend(filter.max_price.map(|price| ("$lte".to_owned(), Bson::Int64(price))));
        if !prices.is_empty() {
            query.insert("state.price.amount", prices);
        }
        if filter.sort == Sort::PriceDrop {
            query.insert("state.priceDrop.at", doc! { "$exists": true });
        }
        query
    }
}

fn sort_field(sort: Sort) -> &'static str {
    match sort {
        Sort::Soonest => "state.startsAt",
        Sort::Newest => "_id",
        Sort::PriceLow | Sort::PriceHigh => "state.price.amount",
        Sort::PriceDrop => "state.priceDrop.at",
    }
}

/// The value that the listing with this key has in its sort field.
fn sort_value(sort: Sort, key: SortKey) -> Bson {
    match sort {
        Sort::Soonest | Sort::PriceDrop => Bson::String(Timestamp::from_millis(key.value).to_string()),
        Sort::Newest => Bson::String(key.id.to_string()),
        Sort::PriceLow | Sort::PriceHigh => Bson::Int64(key.value),
    }
}

/// The query with one more condition on a field that may have conditions already.
fn with_condition(query: &Document, field: &str, operator: &str, value: Bson) -> Document {
    let mut query = query.clone();
    let mut conditions = query.get_document(field).cloned().unwrap_or_default();
    conditions.insert(operator, value);
    query.insert(field, conditions);
    query
}
