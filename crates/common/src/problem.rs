//! The body of every error under `/api/`: problem details (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::OrderId;

/// The media type of [`Problem`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// The field's path in the body (`price.amount`), or the name of a header or query parameter.
    pub field: String,
    /// What it must be, for a person to read.
    pub message: String,
}

/// Problem details.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A stable name of the kind of problem, a URN; programs branch on this.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind of problem, for a person to read.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What went wrong this time and what to do about it.
    pub detail: String,
    /// The id of the request, as in `x-request-id` and in the logs.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// The fields at fault; with 400 and 422 alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The asker's own orders that stand in the way; with `too-many-holds` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<OrderId>,
}

impl Problem {
    /// The last part of [`Problem::kind`], which tells the kinds apart.
    pub fn code(&self) -> &str {
        self.kind.rsplit(':').next().unwrap_or_default()
    }
}
