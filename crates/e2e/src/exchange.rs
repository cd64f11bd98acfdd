//! One HTTP request and its response, as [`crate::user_client`] sends them and [`crate::response_log`] records them.

use std::fmt;

use common::api::ApiError;
use common::api::versions::version_of;
use common::problem::Problem;
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// The response to a request that succeeded.
#[derive(Debug, Clone)]
pub struct Success<T> {
    /// The status code.
    pub status: u16,
    /// The decoded body.
    pub body: T,
}

/// Why a request failed. The string names the request, by method and target.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No response, or no definitive one.
    #[error("{0}")]
    NoResponse(String, #[source] anyhow::Error),
    /// The response is a problem, or its body is malformed.
    #[error("{0}")]
    Failed(String, #[source] ApiError),
}

impl Error {
    /// The status code; `None` without a response.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::NoResponse(..) => None,
            Self::Failed(_, failed) => Some(failed.status()),
        }
    }

    /// The problem that the service returned.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Failed(_, ApiError::Problem(problem)) => Some(problem),
            _ => None,
        }
    }

    /// Whether the response is definitive: not 5xx, not 429, and not `in-flight` (the first request with the same key
    /// is still being processed).
    pub(crate) fn is_definitive(&self) -> bool {
        let is_in_flight = self.problem().is_some_and(|problem| problem.code() == "in-flight");
        self.status().is_some_and(|status| status < 500 && status != 429) && !is_in_flight
    }
}

/// The status code of a success or a problem; an error without a response.
pub fn status<T>(result: Result<Success<T>, Error>) -> anyhow::Result<u16> {
    match result {
        Ok(success) => Ok(success.status),
        Err(error) => error.status().ok_or_else(|| error.into()),
    }
}

/// A request without its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a Method,
    /// Path and query.
    pub(crate) target: &'a str,
    /// The `Idempotency-Key`.
    pub(crate) key: Option<&'a str>,
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.target)
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    pub(crate) entity: Entity,
}

/// The fields that all entities have; all `None` when the body is not an entity.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) id: Option<String>,
    /// The version in the `ETag`, or else in the body.
    pub(crate) version: Option<u64>,
    pub(crate) status: Option<String>,
}

impl Response {
    pub(crate) async fn read(response: reqwest::Response) -> reqwest::Result<Self> {
        let status = response.status();
        let version = version_of(response.headers());
        let body = response.text().await?;
        // Parsed field by field, so that a malformed field does not hide the well-formed ones.
        let json: Value = serde_json::from_str(&body).unwrap_or_default();
        let text = |field: &str| json[field].as_str().map(ToOwned::to_owned);
        let entity =
            Entity { id: text("id"), version: version.or_else(|| json["version"].as_u64()), status: text("status") };
        Ok(Self { status, body, entity })
    }
}
