//! Pagination of lists: newest first, with cursors that stay valid while items are added.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use crate::string_form::serde_as_string;

/// Default page size.
const DEFAULT_LIMIT: u32 = 20;

/// Pagination parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Maximum number of items: 1 to 100; 20 by default.
    #[serde(default, deserialize_with = "limit", skip_serializing_if = "Option::is_none")]
    #[validate(range(min = 1, max = 100))]
    #[param(minimum = 1, maximum = 100, example = 20)]
    pub limit: Option<u32>,
    /// `nextCursor` of the previous page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<String>, pattern = "^[0-9A-Fa-f]{32}$", example = "01970000000070008000000000000001")]
    pub cursor: Option<Cursor>,
}

impl PageQuery {
    /// Maximum number of items.
    pub fn limit(&self) -> u32 {
        self.limit.unwrap_or(DEFAULT_LIMIT)
    }
}

/// Deserialises `limit`; the error states the allowed range.
pub(crate) fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    // Checks the digits first, since `parse` would also accept a leading plus sign.
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.map(Some).ok_or_else(|| serde::de::Error::custom("must be a number from 1 to 100"))
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// `cursor` of the next page; null on the last page.
    #[schema(value_type = Option<String>)]
    pub next_cursor: Option<Cursor>,
}

impl<T> Page<T> {
    /// Applies `f` to each item.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next_cursor: self.next_cursor }
    }
}

/// A position in a list, between two pages. Its text is the id of the last item before it, without hyphens: safe in a
/// URL, and opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(Uuid);

/// The error for a text that is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the nextCursor of an earlier page")]
pub struct InvalidCursor;

impl Cursor {
    /// The cursor of the page that starts after this item.
    pub fn after(id: Uuid) -> Self {
        Self(id)
    }

    /// The id of the last item before the page.
    pub fn id(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_simple().fmt(f)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;
    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let id = (text.len() == 32).then(|| Uuid::try_parse(text).ok()).flatten();
        id.map(Self).ok_or(InvalidCursor)
    }
}

serde_as_string!(Cursor);
