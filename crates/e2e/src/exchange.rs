//! One request and its response, as [`crate::person`] sends and reads them and [`crate::journal`] records them.

use std::fmt;

use common::api::ApiError;
use common::problem::Problem;
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// The answer to a request that succeeded.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// The status code.
    pub status: u16,
    /// The entity's version, from the `ETag` or the body.
    pub version: Option<u64>,
    /// What the route answers.
    pub body: T,
}

/// Why a request, named by its method and target, has no [`Answer`].
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There was no response, or none that says what happened.
    #[error("{0}")]
    Unanswered(String, #[source] anyhow::Error),
    /// The response is a problem, or its body is unexpected.
    #[error("{0}")]
    Failed(String, #[source] ApiError),
}

impl Error {
    /// The status code of the response; `None` when there was none.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Unanswered(..) => None,
            Self::Failed(_, failed) => Some(failed.status()),
        }
    }

    /// The problem that the service reported.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Failed(_, ApiError::Problem(problem)) => Some(problem),
            _ => None,
        }
    }

    /// Whether the response says for good what happened: the service was neither failing, nor overloaded, nor still
    /// handling the first request with the same key.
    pub(crate) fn is_definite(&self) -> bool {
        let is_in_flight = self.problem().is_some_and(|problem| problem.code() == "in-flight");
        self.status().is_some_and(|status| status < 500 && status != 429) && !is_in_flight
    }
}

/// The status code of the response, be it an answer or a problem; an error when there was no response.
pub fn status<T>(outcome: Result<Answer<T>, Error>) -> anyhow::Result<u16> {
    match outcome {
        Ok(answer) => Ok(answer.status),
        Err(error) => error.status().ok_or_else(|| error.into()),
    }
}

/// A request as it is sent, without its body.
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

/// A response as it was received.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
    pub(crate) entity: Entity,
}

/// The fields that all entities have in common; empty when the body is not an entity.
#[derive(Debug)]
pub(crate) struct Entity {
    pub(crate) id: Option<String>,
    /// From the `ETag` if there is one.
    pub(crate) version: Option<u64>,
    pub(crate) status: Option<String>,
}

impl Response {
    pub(crate) async fn read(response: reqwest::Response) -> reqwest::Result<Self> {
        let status = response.status();
        let etag = response.headers().get("etag").and_then(|etag| etag.to_str().ok()?.trim_matches('"').parse().ok());
        let body = response.text().await?;
        // Field by field: what is odd in one must not hide the others from the journal.
        let json: Value = serde_json::from_str(&body).unwrap_or_default();
        let text = |field: &str| json[field].as_str().map(ToOwned::to_owned);
        let entity =
            Entity { id: text("id"), version: etag.or_else(|| json["version"].as_u64()), status: text("status") };
        Ok(Self { status, body, entity })
    }
}
