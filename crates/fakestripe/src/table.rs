//! An in-memory table in order of creation, indexed by id.

use std::collections::HashMap;

/// A row with an id and a creation time.
pub(crate) trait Row {
    fn id(&self) -> &str;
    /// Seconds since 1970.
    fn created(&self) -> i64;
}

pub(crate) struct Table<T> {
    rows: Vec<T>,
    positions: HashMap<String, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), positions: HashMap::new() }
    }
}

impl<T: Row> Table<T> {
    pub(crate) fn insert(&mut self, row: T) {
        self.positions.insert(row.id().to_owned(), self.rows.len());
        self.rows.push(row);
    }

    pub(crate) fn position(&self, id: &str) -> Option<usize> {
        self.positions.get(id).copied()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.rows.get(self.position(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        let position = self.position(id)?;
        self.rows.get_mut(position)
    }

    /// Oldest first.
    pub(crate) fn rows(&self) -> &[T] {
        &self.rows
    }
}
