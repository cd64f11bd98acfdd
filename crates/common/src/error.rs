//! The closed set of errors that a request can end in, and the one mapping to HTTP.
//!
//! # Why
//! A service's own errors become one of these by a single `From` beside its aggregate, so a reader
//! finds every status in two places. What is internal is logged once at the boundary, never sent.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::id::OrderId;
use crate::problem::{CONTENT_TYPE, FieldError, Problem};

/// The cause of an [`Error::Internal`] or [`Error::Unavailable`]: for the log, never for the client.
pub type Cause = Arc<dyn StdError + Send + Sync>;

/// A refusal with a code that programs branch on and a sentence that people read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Stable, kebab-case; the tail of the problem's `type`.
    pub code: &'static str,
    /// What happened and what to do about it.
    pub detail: String,
    /// Ask again after this long.
    pub retry_after: Option<Duration>,
    /// The asker's own orders that stand in the way.
    pub orders: Vec<OrderId>,
}

impl Rejection {
    /// A refusal that asking again does not change.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), retry_after: None, orders: Vec::new() }
    }

    /// A refusal that asking again may change.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// A refusal that names the orders which stand in the way.
    #[must_use]
    pub fn with_blocking_orders(mut self, orders: Vec<OrderId>) -> Self {
        self.orders = orders;
        self
    }
}

/// How a request ends when it does not succeed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// 400: the request's fields are at fault.
    #[error("the request is invalid")]
    Invalid(Vec<FieldError>),
    /// 401: who asks is not known.
    #[error("not signed in")]
    Unauthenticated(Rejection),
    /// 402: the card was declined.
    #[error("the payment was declined")]
    Declined(Rejection),
    /// 403: visible to all, but not theirs to change.
    #[error("forbidden")]
    Forbidden(Rejection),
    /// 404: no such entity, or one that they may not see.
    #[error("not found")]
    NotFound,
    /// 405.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// 408 or 504: the service did not finish in time.
    #[error("timed out")]
    TimedOut,
    /// 409: the entity's state forbids it.
    #[error("conflict")]
    Conflict(Rejection),
    /// 410: too late.
    #[error("gone")]
    Gone(Rejection),
    /// 412: `If-Match` names another version.
    #[error("the entity has changed since")]
    PreconditionFailed,
    /// 413.
    #[error("the body is too large")]
    TooLarge,
    /// 431.
    #[error("the headers are too large")]
    HeadersTooLarge,
    /// 415.
    #[error("the body must be JSON")]
    UnsupportedMediaType,
    /// 422: the idempotency key was used with another body.
    #[error("the request contradicts an earlier one")]
    Unprocessable(Vec<FieldError>),
    /// 429.
    #[error("too many requests")]
    RateLimited(Duration),
    /// 429 as well: what was done again and again has reached its limit.
    #[error("a limit is reached")]
    LimitReached(Rejection),
    /// 503: a dependency is away; the same request may succeed later.
    #[error("a dependency is away")]
    Unavailable(#[source] Option<Cause>),
    /// 503: another service is not that far yet.
    #[error("not yet")]
    NotReady(Rejection),
    /// 500.
    #[error("internal error")]
    Internal(#[source] Cause),
}

/// Shorthand for handlers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What clients are told to wait when a dependency is away.
const AWAY_RETRY: Duration = Duration::from_secs(2);

impl Error {
    /// An internal error with its cause.
    pub fn internal(cause: impl StdError + Send + Sync + 'static) -> Self {
        Self::Internal(Arc::new(cause))
    }

    /// An internal error that is told by a sentence.
    pub fn internal_message(message: impl Into<String>) -> Self {
        Self::Internal(Arc::new(Message(message.into())))
    }

    /// A dependency that does not answer, with its cause.
    pub fn unavailable(cause: impl StdError + Send + Sync + 'static) -> Self {
        Self::Unavailable(Some(Arc::new(cause)))
    }

    /// One field at fault.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError { field: field.into(), message: message.into() }])
    }

    /// A conflict that asking again does not change.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Conflict(Rejection::new(code, detail))
    }

    /// Not signed in, the usual case.
    pub fn unauthenticated() -> Self {
        Self::Unauthenticated(Rejection::new("unauthenticated", "Sign in, then try again."))
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Declined(_) => StatusCode::PAYMENT_REQUIRED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TimedOut => StatusCode::GATEWAY_TIMEOUT,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Gone(_) => StatusCode::GONE,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited(_) | Self::LimitReached(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) | Self::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// How long the client should wait before it asks again, where that helps.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(after) => Some(*after),
            Self::Unavailable(_) | Self::TimedOut => Some(AWAY_RETRY),
            Self::Unauthenticated(r)
            | Self::Declined(r)
            | Self::Forbidden(r)
            | Self::Conflict(r)
            | Self::Gone(r)
            | Self::LimitReached(r)
            | Self::NotReady(r) => r.retry_after,
            _ => None,
        }
    }

    /// The problem document, without the request's id.
    pub fn problem(&self) -> Problem {
        let wait;
        let (code, title, detail) = match self {
            Self::Invalid(_) => ("invalid", "The request is invalid", "Correct the fields in `errors` and try again."),
            Self::Unauthenticated(r) => (r.code, "Not signed in", r.detail.as_str()),
            Self::Declined(r) => (r.code, "The payment was declined", r.detail.as_str()),
            Self::Forbidden(r) => (r.code, "Not allowed", r.detail.as_str()),
            Self::NotFound => {
                ("not-found", "Not found", "There is nothing at this address, or it is not yours to see.")
            }
            Self::MethodNotAllowed => {
                ("method-not-allowed", "Method not allowed", "Use a method that the Allow header names.")
            }
            Self::TimedOut => ("timed-out", "Timed out", "It took too long; look at what there is, then try again."),
            Self::Conflict(r) => (r.code, "Not possible in the present state", r.detail.as_str()),
            Self::Gone(r) => (r.code, "Too late", r.detail.as_str()),
            Self::PreconditionFailed => {
                ("precondition-failed", "It has changed since", "Read it again and repeat with its new ETag.")
            }
            Self::TooLarge => ("too-large", "The body is too large", "Send at most 1 MiB."),
            Self::HeadersTooLarge => (
                "headers-too-large",
                "The headers of the request are too large",
                "Your browser sends more with each request than we take, most likely cookies that have piled up. Delete \
                 the cookies of this site in your browser's settings, then try again.",
            ),
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", "The body must be JSON", "Send `content-type: application/json`.")
            }
            Self::Unprocessable(_) => {
                ("idempotency-mismatch", "The key was used before", "Use a new Idempotency-Key for another request.")
            }
            Self::RateLimited(after) => {
                wait = format!("Try again after {} s.", after.as_millis().div_ceil(1000).max(1));
                ("rate-limited", "Too many requests", wait.as_str())
            }
            Self::LimitReached(r) => (r.code, "Too many requests", r.detail.as_str()),
            Self::Unavailable(_) => {
                ("unavailable", "Not available right now", "Something we depend on is away; try again soon.")
            }
            Self::NotReady(r) => (r.code, "Not ready yet", r.detail.as_str()),
            Self::Internal(_) => {
                ("internal", "Something went wrong", "It was logged. If it happens again, tell us the request id.")
            }
        };
        let errors = match self {
            Self::Invalid(errors) | Self::Unprocessable(errors) => errors.clone(),
            _ => Vec::new(),
        };
        let orders = match self {
            Self::Conflict(refusal) => refusal.orders.clone(),
            _ => Vec::new(),
        };
        Problem {
            kind: format!("urn:ticketing:problem:{code}"),
            title: title.to_owned(),
            status: self.status().as_u16(),
            detail: detail.to_owned(),
            instance: String::new(),
            errors,
            orders,
        }
    }
}

/// An error that is nothing but its text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Message(String);

impl IntoResponse for Error {
    /// The problem as JSON. The error itself rides along as an extension, so that the HTTP shell can
    /// log its cause, add the request's id and answer browsers with a page.
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let mut response = (self.status(), [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response();
        if let Some(after) = self.retry_after() {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response.extensions_mut().insert(self);
        response
    }
}
