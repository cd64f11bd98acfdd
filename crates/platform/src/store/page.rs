//! Lists, newest first by id, with a cursor that stays right while others write.

use common::api::page::{Cursor, Page, PageQuery};
use mongodb::bson::{Document, doc};
use uuid::Uuid;

/// A page that was asked for.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// 1 to 100.
    pub limit: i64,
    /// Only items older than this id.
    pub before: Option<Uuid>,
}

impl From<&PageQuery> for PageRequest {
    fn from(query: &PageQuery) -> Self {
        Self { limit: query.limit().into(), before: query.cursor.map(Cursor::id) }
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
        Page { items, next_cursor: last.map(Cursor::after) }
    }
}
