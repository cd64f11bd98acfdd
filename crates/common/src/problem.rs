//! The body of every error under `/api/`: problem details (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::OrderId;

/// The media type of [`Problem`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// A validation error of one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The field's path in the body (`price.amount`), or the name of a header or query parameter.
    pub field: String,
    /// The requirement that is not met, such as `must be a number from 1 to 100`.
    pub message: String,
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
}

impl Problem {
    /// The problem code: the last segment of [`Problem::kind`].
    pub fn code(&self) -> &str {
        self.kind.rsplit(':').next().unwrap_or_default()
    }
}
