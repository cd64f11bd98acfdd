//! Cursor pagination, newest first by id. Concurrent writes neither repeat nor skip an item.

use common::api::page::{Cursor, Page, PageQuery};
use mongodb::bson::{Document, doc};
use uuid::Uuid;

/// A request for one page.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// Maximum number of items, 1 to 100.
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
    /// Restricts the filter to the items after the cursor.
    pub fn apply_cursor(&self, mut filter: Document) -> Document {
        if let Some(before) = self.before {
            filter.insert("_id", doc! { "$lt": before.to_string() });
        }
        filter
    }

    /// Makes a page of up to `limit + 1` items; the extra item only shows that there is a next page.
    pub fn to_page<T>(&self, mut items: Vec<T>, id: impl Fn(&T) -> String) -> Page<T> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more).and_then(|item| Uuid::try_parse(&id(item)).ok());
        Page { items, next_cursor: last.map(Cursor::after) }
    }
}
