//! Lists, newest first by id, with a cursor that stays right while others write.

use common::error::Error;
use mongodb::bson::{Document, doc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// The query parameters that every list takes.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many items at most: 1 to 100, 20 unless told.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<String>,
    /// `nextCursor` of the page before.
    pub cursor: Option<String>,
}

/// A page that was asked for.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// 1 to 100.
    pub limit: i64,
    /// Only items older than this id.
    pub before: Option<Uuid>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// Newest first.
    pub items: Vec<T>,
    /// Give it as `cursor` for the next page; null on the last.
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    /// The same page of something else.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next_cursor: self.next_cursor }
    }
}

impl TryFrom<&PageQuery> for PageRequest {
    type Error = Error;

    fn try_from(query: &PageQuery) -> Result<Self, Error> {
        let limit = match query.limit.as_deref().map(str::parse::<i64>) {
            None => 20,
            Some(Ok(limit)) if (1..=100).contains(&limit) => limit,
            Some(_) => return Err(Error::field("limit", "must be a number from 1 to 100")),
        };
        let before = query.cursor.as_deref().map(decode).transpose()?;
        Ok(Self { limit, before })
    }
}

impl PageRequest {
    /// The filter, kept to what comes after the cursor.
    pub fn narrow(&self, mut filter: Document) -> Document {
        if let Some(before) = self.before {
            filter.insert("_id", doc! { "$lt": before.to_string() });
        }
        filter
    }

    /// One item more than `limit` was read; whether it is there tells whether there is a next page.
    pub fn cut<T>(&self, mut items: Vec<T>, id: impl Fn(&T) -> String) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more).and_then(|item| Uuid::try_parse(&id(item)).ok());
        Page { items, next_cursor: last.map(|id| id.as_simple().to_string()) }
    }
}

/// A cursor is the last item's id in the form without hyphens: opaque, and safe in a URL.
fn decode(cursor: &str) -> Result<Uuid, Error> {
    let id = (cursor.len() == 32).then(|| Uuid::try_parse(cursor).ok()).flatten();
    id.ok_or_else(|| Error::field("cursor", "must be the nextCursor of an earlier page"))
}
