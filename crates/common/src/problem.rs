//! The body of every error under `/api/`: problem details (RFC 9457).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::OrderId;
use crate::money::Money;

/// The media type of [`Problem`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// A value in [`Params`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Param {
    /// A count, a duration in seconds, or an amount in minor units.
    Number(i64),
    /// A name or a code.
    Text(String),
}

impl From<i64> for Param {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The values in a problem's sentences by name, so that a client can write these sentences in another language. Money
/// is `amount` and `currency`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Params(BTreeMap<String, Param>);

impl Params {
    /// Adds a value.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Param>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number with this name.
    pub fn number(&self, name: &str) -> Option<i64> {
        match self.0.get(name)? {
            Param::Number(number) => Some(*number),
            Param::Text(_) => None,
        }
    }

    /// The text with this name.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name)? {
            Param::Text(text) => Some(text),
            Param::Number(_) => None,
        }
    }

    /// The money, if there is any.
    pub fn money(&self) -> Option<Money> {
        Some(Money { amount: self.number("amount")?, currency: self.text("currency")?.parse().ok()? })
    }
}

impl From<&Money> for Params {
    fn from(money: &Money) -> Self {
        Self::default().with("amount", money.amount).with("currency", money.currency.to_string().as_str())
    }
}

/// A validation error of one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The field's path in the body (`price.amount`), or the name of a header or query parameter.
    pub field: String,
    /// The requirement that is not met, such as `must be a number from 1 to 100`.
    pub message: String,
    /// A stable code of the requirement in kebab case, such as `length`. Absent if only the caller's program can err.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// The values in the message, such as `min` and `max`.
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    pub params: Params,
}

impl FieldError {
    /// An error without a code.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), code: String::new(), params: Params::default() }
    }

    /// Adds the code and the values in the message.
    #[must_use]
    pub fn with_code(self, code: &str, params: Params) -> Self {
        Self { code: code.to_owned(), params, ..self }
    }
}

/// Problem details (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable URN of the kind of problem. Programs should branch on this.
    #[serde(rename = "type")]
    pub kind: String,
    /// A human-readable name of the kind of problem.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// A human-readable explanation of this occurrence and its remedy.
    pub detail: String,
    /// The id of the request, as in the header `x-request-id` and in the logs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// The invalid fields; only with the statuses 400 and 422.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The caller's own orders that caused the conflict; only with the code `too-many-holds`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<OrderId>,
    /// The numbers of seats that can be ordered together, ascending; only with the code `no-seats`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quantities: Vec<usize>,
    /// The values in the detail. By code: `rate-limited` has `retryAfter` in seconds, and `limit` (`holds` or
    /// `payments`) if it is a limit of the domain; `over-cap` has the highest price, `percent` over face value and
    /// `country`; `card-declined` has `reason`; `seat-listed` has `seat`; `ticket-reserved` and `ticket-sold` have `part`
    /// if only some of the seats are.
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    pub params: Params,
}

impl Problem {
    /// The problem code: the last segment of [`Problem::kind`].
    pub fn code(&self) -> &str {
        self.kind.rsplit(':').next().unwrap_or_default()
    }
}
