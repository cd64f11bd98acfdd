//! Finds listings: what somebody looks for as queries, by words, by sellers, page by page.
//!
//! # Why
//! Each query is one that an index answers in the order that is asked for: equality on the beginning of a
//! word, or on a seller, then a range of times. What is found in several ways is merged here, since the
//! first so many of a union are among the first so many of each; the database would sort it in memory.
//! For the same reason the next page begins with two queries: the rest of those that stand at the same
//! place, such as many tickets of one event, then what is behind it. A word may also be the seller's: who
//! is called so is looked up first, all words together before each by itself, so that a full name is
//! found among many of the same first name.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::aggregate::Versioned;
use common::events::ticket::{TicketState, TicketStatus};
use common::timestamp::Timestamp;
use futures::future::try_join_all;
use mongodb::bson::{Bson, Document, doc, serialize_to_bson};
use platform::store::error::StoreError;
use platform::store::partial::any_of;

use super::model::Replicas;
use super::vocabulary::Vocabulary;
use crate::domain::filter::Filter;
use crate::domain::search::{is_name, lookup};
use crate::domain::sort::{Place, Sort};

/// How many sellers of a name are looked at.
const SELLERS: i64 = 20;
/// How many words of a search may be names.
const NAMES: usize = 4;
/// A shorter beginning, in bytes, is no name: too many are called so. A letter of Chinese has three.
const NAME: usize = 3;
/// How many ways there are at most for sellers and other words to share a search.
const WAYS: usize = 4;

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The listings, in order.
    pub tickets: Vec<Versioned<TicketState>>,
    /// What was searched for instead, since nothing has what was typed.
    pub corrected: Option<String>,
}

/// The first listings that match at `now`, at most `limit`. Withdrawn ones are never among them, nor those
/// whose event has begun.
pub async fn search(
    model: &Replicas,
    vocabulary: &Vocabulary,
    filter: &Filter,
    now: Timestamp,
    limit: i64,
) -> Result<Found, StoreError> {
    let search = Search { model, filter, now, limit };
    let Some(words) = &filter.words else {
        return Ok(Found { tickets: search.page(&search.query()).await?, corrected: None });
    };
    if words.is_empty() {
        return Ok(Found::default());
    }
    let (tickets, sellers) = search.with(words).await?;
    if !tickets.is_empty() || filter.place.is_some() {
        return Ok(Found { tickets, corrected: None });
    }
    let is_called = |word: &str| sellers.iter().any(|seller| seller.is_called(word));
    for words in vocabulary.corrections(words, is_called).await? {
        let (tickets, _) = search.with(&words).await?;
        if !tickets.is_empty() {
            return Ok(Found { tickets, corrected: Some(words.join(" ")) });
        }
    }
    Ok(Found::default())
}

/// Somebody who may have listings.
struct Seller {
    id: String,
    name: String,
}

impl Seller {
    fn is_called(&self, word: &str) -> bool {
        is_name(&self.name, word)
    }
}

struct Search<'a> {
    model: &'a Replicas,
    filter: &'a Filter,
    now: Timestamp,
    limit: i64,
}

impl Search<'_> {
    /// What has all these words, in its own texts or in its seller's name; and who is called like one.
    async fn with(&self, words: &[String]) -> Result<(Vec<Versioned<TicketState>>, Vec<Seller>), StoreError> {
        let by_words = self.query_with(&words.iter().collect::<Vec<_>>());
        let (mut found, sellers) = tokio::try_join!(self.page(&by_words), self.sellers(words))?;
        // By the words that the sellers' names leave to their listings, those that leave the fewest first.
        let mut ways: BTreeMap<(usize, Vec<&String>), Vec<&String>> = BTreeMap::new();
        for seller in &sellers {
            let left: Vec<_> = words.iter().filter(|word| !seller.is_called(word)).collect();
            ways.entry((left.len(), left)).or_default().push(&seller.id);
        }
        let queries: Vec<_> = ways
            .iter()
            .take(WAYS)
            .map(|((_, left), sellers)| {
                let mut query = self.query_with(left);
                query.insert("state.sellerId", doc! { "$in": sellers.as_slice() });
                query
            })
            .collect();
        for more in try_join_all(queries.iter().map(|query| self.page(query))).await? {
            found.extend(more);
        }
        let sort = self.filter.sort;
        if sort.is_rising() {
            found.sort_by_key(|ticket| sort.place(ticket));
        } else {
            found.sort_by_key(|ticket| Reverse(sort.place(ticket)));
        }
        let mut seen = BTreeSet::new();
        found.retain(|ticket| seen.insert(ticket.terms.id));
        found.truncate(usize::try_from(self.limit).unwrap_or(usize::MAX));
        Ok((found, sellers))
    }

    /// Who is called like one of these words; first of all, who is called like all of them.
    async fn sellers(&self, words: &[String]) -> Result<Vec<Seller>, StoreError> {
        let names: Vec<&str> = words.iter().map(String::as_str).filter(|word| word.len() >= NAME).take(NAMES).collect();
        let mut searches: Vec<_> = names.iter().map(|name| lookup([*name], None)).collect();
        if names.len() > 1 {
            searches.push(lookup(names, None));
        }
        let found = searches.into_iter().map(|keys| {
            let filter = doc! { "words": { "$all": keys } };
            self.model.users.find_some(filter, doc! { "_id": 1 }, SELLERS)
        });
        let found = try_join_all(found).await?.into_iter().flatten();
        let by_id: BTreeMap<_, _> = found.map(|user| (user.state.id, user.state.display_name)).collect();
        Ok(by_id.into_iter().map(|(id, name)| Seller { id: id.to_string(), name }).collect())
    }

    /// The first listings that match this query, behind the place where the page begins.
    async fn page(&self, query: &Document) -> Result<Vec<Versioned<TicketState>>, StoreError> {
        let (sort, tickets) = (self.filter.sort, &self.model.tickets);
        let direction = if sort.is_rising() { 1 } else { -1 };
        let order = || match field(sort) {
            "_id" => doc! { "_id": direction },
            field => doc! { field: direction, "_id": direction },
        };
        let Some(place) = self.filter.place else {
            return tickets.find_some(query.clone(), order(), self.limit).await;
        };
        let behind = if sort.is_rising() { "$gt" } else { "$lt" };
        let id = place.id.to_string();
        if sort == Sort::Newest {
            let mut query = query.clone();
            query.insert("_id", doc! { behind: id });
            return tickets.find_some(query, order(), self.limit).await;
        }
        let mut beside = narrowed(query, field(sort), "$eq", value(sort, place));
        beside.insert("_id", doc! { behind: id });
        let mut found = tickets.find_some(beside, order(), self.limit).await?;
        let left = self.limit - i64::try_from(found.len()).unwrap_or(i64::MAX);
        if left > 0 {
            let query = narrowed(query, field(sort), behind, value(sort, place));
            found.extend(tickets.find_some(query, order(), left).await?);
        }
        Ok(found)
    }

    fn query_with(&self, words: &[&String]) -> Document {
        let mut query = self.query();
        if !words.is_empty() {
            let keys = lookup(words.iter().map(|word| word.as_str()), self.filter.category);
            query.insert("words", doc! { "$all": keys });
        }
        query
    }

    /// What the filters say, words and place aside.
    fn query(&self) -> Document {
        let filter = self.filter;
        let mut query = Document::new();
        if filter.with_taken {
            query
                .insert("state.status", any_of(&[TicketStatus::Available, TicketStatus::Reserved, TicketStatus::Sold]));
        } else {
            query.insert("state.status", TicketStatus::Available.as_ref());
        }
        // What begins now has begun.
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
        prices.extend(filter.least.map(|least| ("$gte".to_owned(), Bson::Int64(least))));
        prices.extend(filter.most.map(|most| ("$lte".to_owned(), Bson::Int64(most))));
        if !prices.is_empty() {
            query.insert("state.price.amount", prices);
        }
        if filter.sort == Sort::PriceDrop {
            query.insert("state.priceDrop.at", doc! { "$exists": true });
        }
        query
    }
}

/// What is sorted by.
fn field(sort: Sort) -> &'static str {
    match sort {
        Sort::Soonest => "state.startsAt",
        Sort::Newest => "_id",
        Sort::PriceLow | Sort::PriceHigh => "state.price.amount",
        Sort::PriceDrop => "state.priceDrop.at",
    }
}

/// What is sorted by, of a listing at this place.
fn value(sort: Sort, place: Place) -> Bson {
    match sort {
        Sort::Soonest | Sort::PriceDrop => Bson::String(Timestamp::from_millis(place.value).to_string()),
        Sort::Newest => Bson::String(place.id.to_string()),
        Sort::PriceLow | Sort::PriceHigh => Bson::Int64(place.value),
    }
}

/// The query with one more condition on a field that it may have conditions on already.
fn narrowed(query: &Document, field: &str, operator: &str, value: Bson) -> Document {
    let mut query = query.clone();
    let mut conditions = query.get_document(field).cloned().unwrap_or_default();
    conditions.insert(operator, value);
    query.insert(field, conditions);
    query
}
