//! The closed set of errors that a request can end in, and their single mapping to HTTP.
//!
//! # Why
//! Each error type of a service's domain has a single `From` implementation, next to the type, which converts it to one
//! of these. So a reader needs only that and this file to find the status of any error. Internal causes are logged once
//! by the platform and never sent to clients.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::id::OrderId;
use crate::problem::{CONTENT_TYPE, FieldError, Params, Problem};

/// The cause of an [`Error::Internal`] or [`Error::Unavailable`]: logged, never sent to the client.
pub type Cause = Arc<dyn StdError + Send + Sync>;

/// The detail of a domain error: a stable code for programs and a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The stable code in kebab case, which ends the `type` of the problem document.
    pub code: &'static str,
    /// What happened and how to resolve it.
    pub detail: String,
    /// How long to wait before a retry; absent if a retry can't succeed.
    pub retry_after: Option<Duration>,
    /// The caller's own orders that caused the conflict.
    pub orders: Box<[OrderId]>,
    /// The numbers of seats that can be ordered instead.
    pub quantities: Box<[usize]>,
    /// The values in the detail.
    pub params: Option<Box<Params>>,
}

impl Rejection {
    /// A permanent rejection: the same request never succeeds.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_after: None,
            orders: Box::default(),
            quantities: Box::default(),
            params: None,
        }
    }

    /// Makes it a temporary rejection: a retry after this time may succeed.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Adds the caller's own orders that caused the conflict.
    #[must_use]
    pub fn with_blocking_orders(mut self, orders: Vec<OrderId>) -> Self {
        self.orders = orders.into();
        self
    }

    /// Adds the numbers of seats that can be ordered instead.
    #[must_use]
    pub fn with_quantities(mut self, quantities: Vec<usize>) -> Self {
        self.quantities = quantities.into();
        self
    }

    /// Adds the values in the detail.
    #[must_use]
    pub fn with_params(mut self, params: Params) -> Self {
        self.params = Some(Box::new(params));
        self
    }
}

/// The error of a request.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// 400: fields of the request are invalid.
    #[error("the request is invalid")]
    Invalid(Vec<FieldError>),
    /// 401: the caller is not authenticated.
    #[error("not signed in")]
    Unauthenticated(Rejection),
    /// 402: the card was declined.
    #[error("the payment was declined")]
    Declined(Rejection),
    /// 403: the caller may see the entity but not change it.
    #[error("forbidden")]
    Forbidden(Rejection),
    /// 404: the entity does not exist, or the caller may not see it.
    #[error("not found")]
    NotFound,
    /// 405: the route does not support the method.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// 504: the service did not finish in time.
    #[error("timed out")]
    TimedOut,
    /// 409: the entity's state forbids the request.
    #[error("conflict")]
    Conflict(Rejection),
    /// 410: the deadline has passed.
    #[error("gone")]
    Gone(Rejection),
    /// 412: `If-Match` names another version.
    #[error("the entity has changed since")]
    PreconditionFailed,
    /// 413: the body is larger than the limit.
    #[error("the body is too large")]
    TooLarge,
    /// 431: the headers are too many or too large.
    #[error("the headers are too large")]
    HeadersTooLarge,
    /// 415: the body is not declared as JSON.
    #[error("the body must be JSON")]
    UnsupportedMediaType,
    /// 422: the idempotency key was used with another body.
    #[error("the request contradicts an earlier one")]
    Unprocessable(Vec<FieldError>),
    /// 422: the request is valid in itself, but breaks a rule of the marketplace, such as a price cap.
    #[error("the request breaks a rule")]
    RuleBroken {
        /// The rule.
        rejection: Rejection,
        /// The fields that break it.
        fields: Vec<FieldError>,
    },
    /// 429: the rate limit is exceeded; a retry after this time may succeed.
    #[error("too many requests")]
    RateLimited(Duration),
    /// 429: a limit of the domain is reached, such as the number of payment attempts for one order. Clients get the
    /// same code and title as for [`RateLimited`](Self::RateLimited), since the remedy is the same: wait.
    #[error("a limit is reached")]
    LimitReached(Rejection),
    /// 503: a dependency is unavailable; a retry may succeed.
    #[error("a dependency is unavailable")]
    Unavailable(#[source] Option<Cause>),
    /// 503: an event that the request depends on has not been processed yet.
    #[error("not ready yet")]
    NotReady(Rejection),
    /// 500: a bug or an unexpected failure.
    #[error("internal error")]
    Internal(#[source] Cause),
}

/// Shorthand for handlers.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// `Retry-After` of timeouts and unavailable dependencies.
const UNAVAILABLE_RETRY_AFTER: Duration = Duration::from_secs(2);

impl Error {
    /// An internal error with its cause.
    pub fn internal(cause: impl StdError + Send + Sync + 'static) -> Self {
        Self::Internal(Arc::new(cause))
    }

    /// An internal error with a plain message as its cause.
    pub fn internal_message(message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self::Internal(Box::<dyn StdError + Send + Sync>::from(message).into())
    }

    /// An unavailable dependency, with the cause.
    pub fn unavailable(cause: impl StdError + Send + Sync + 'static) -> Self {
        Self::Unavailable(Some(Arc::new(cause)))
    }

    /// One invalid field.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, message)])
    }

    /// A conflict that a retry does not resolve.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Conflict(Rejection::new(code, detail))
    }

    /// 401 with the default code.
    pub fn unauthenticated() -> Self {
        Self::Unauthenticated(Rejection::new("unauthenticated", "Sign in, then try again."))
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.parts().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// How long the client should wait before a retry; absent if a retry does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited(after) => Some(*after),
            Self::Unavailable(_) | Self::TimedOut => Some(UNAVAILABLE_RETRY_AFTER),
            _ => self.rejection()?.retry_after,
        }
    }

    fn rejection(&self) -> Option<&Rejection> {
        match self {
            Self::Unauthenticated(rejection)
            | Self::Declined(rejection)
            | Self::Forbidden(rejection)
            | Self::Conflict(rejection)
            | Self::Gone(rejection)
            | Self::LimitReached(rejection)
            | Self::RuleBroken { rejection, .. }
            | Self::NotReady(rejection) => Some(rejection),
            _ => None,
        }
    }

    /// Status, code, title and detail.
    fn parts(&self) -> (u16, &'static str, &'static str, &str) {
        match self {
            Self::Invalid(_) => (400, "invalid", "The request is invalid", "Correct the fields listed and try again."),
            Self::Unauthenticated(r) => (401, r.code, "Not signed in", &r.detail),
            Self::Declined(r) => (402, r.code, "The payment was declined", &r.detail),
            Self::Forbidden(r) => (403, r.code, "Not allowed", &r.detail),
            Self::NotFound => {
                (404, "not-found", "Not found", "This page or item does not exist, or you don't have access to it.")
            }
            Self::MethodNotAllowed => {
                (405, "method-not-allowed", "Method not allowed", "Use one of the methods in the Allow header.")
            }
            Self::Conflict(r) => (409, r.code, "Not possible right now", &r.detail),
            Self::Gone(r) => (410, r.code, "Too late", &r.detail),
            Self::PreconditionFailed => {
                (412, "precondition-failed", "The entity has changed", "Reload it and try again with its new ETag.")
            }
            Self::TooLarge => (413, "too-large", "The body is too large", "Send at most 1 MiB."),
            Self::UnsupportedMediaType => {
                (415, "unsupported-media-type", "The body must be JSON", "Send `content-type: application/json`.")
            }
            Self::Unprocessable(_) => (
                422,
                "idempotency-mismatch",
                "The key was already used",
                "Use a new Idempotency-Key for a new request.",
            ),
            Self::RuleBroken { rejection, .. } => (422, rejection.code, "This breaks a rule", &rejection.detail),
            // `problem` supplies the detail, which says when to retry.
            Self::RateLimited(_) => (429, "rate-limited", "Too many requests", ""),
            Self::LimitReached(r) => (429, r.code, "Too many requests", &r.detail),
            Self::HeadersTooLarge => (
                431,
                "headers-too-large",
                "The headers of the request are too large",
                "Your browser sends larger headers than we accept, probably because cookies have piled up. Delete the \
                 cookies of this site in your browser's settings, then try again. A request may have at most 100 headers \
                 and 32 KiB of them.",
            ),
            Self::Internal(_) => (
                500,
                "internal",
                "Something went wrong",
                "The error was logged. If it happens again, contact us and quote the request id.",
            ),
            Self::Unavailable(_) => (
                503,
                "unavailable",
                "Not available right now",
                "The service is temporarily unavailable. Try again soon.",
            ),
            Self::NotReady(r) => (503, r.code, "Not ready yet", &r.detail),
            Self::TimedOut => {
                (504, "timed-out", "Timed out", "It took too long. Check whether it took effect before you try again.")
            }
        }
    }

    /// The problem document, without the request's id.
    pub fn problem(&self) -> Problem {
        let (status, code, title, detail) = self.parts();
        let detail = match self {
            Self::RateLimited(after) => match whole_seconds(*after) {
                1 => "Try again in 1 second.".to_owned(),
                seconds => format!("Try again in {seconds} seconds."),
            },
            _ => detail.to_owned(),
        };
        let rejection = self.rejection();
        let params = match (self, rejection.and_then(|rejection| rejection.params.as_deref())) {
            (Self::RateLimited(after), _) => Params::default().with("retryAfter", seconds_param(*after)),
            (_, params) => params.cloned().unwrap_or_default(),
        };
        let errors = match self {
            Self::Invalid(errors) | Self::Unprocessable(errors) | Self::RuleBroken { fields: errors, .. } => {
                errors.clone()
            }
            _ => Vec::new(),
        };
        Problem {
            kind: format!("urn:ticketing:problem:{code}"),
            title: title.to_owned(),
            status,
            detail,
            instance: String::new(),
            errors,
            orders: rejection.map(|rejection| rejection.orders.to_vec()).unwrap_or_default(),
            quantities: rejection.map(|rejection| rejection.quantities.to_vec()).unwrap_or_default(),
            params,
        }
    }
}

/// The duration as the value `retryAfter` of a problem: in seconds, rounded up and at least 1.
pub fn seconds_param(duration: Duration) -> i64 {
    i64::try_from(whole_seconds(duration)).unwrap_or(i64::MAX)
}

/// The duration in seconds, rounded up and at least 1.
fn whole_seconds(duration: Duration) -> u64 {
    (duration.as_secs() + u64::from(duration.subsec_nanos() > 0)).max(1)
}

impl IntoResponse for Error {
    /// The problem as JSON. The error is attached as a response extension, so that the HTTP middleware can log its
    /// cause, add the request's id and render a page for browsers.
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let mut response = (self.status(), [(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response();
        if let Some(after) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        response.extensions_mut().insert(self);
        response
    }
}
