//! The rate-limiting middleware: counts requests, rejects those over the quota, and adds the `RateLimit` headers.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use common::identity::Verifier;
use http::{HeaderName, HeaderValue};

use super::class::{self, RateClass, RateClasses};
use super::counters::{ClientIdentity, Counters, Decision};
use super::marker::{self, AlreadyCounted};
use super::redis_counters::WINDOW;
use crate::http::address::ClientAddress;

/// The quota, such as `"orders";q=60;w=60`.
pub const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What remains of the quota, such as `"orders";r=59;t=12`.
pub const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// The rate limits of a service's routes.
pub(crate) struct Limiter {
    pub(crate) counters: Counters,
    pub(crate) classes: RateClasses,
    pub(crate) verifier: Verifier,
    pub(crate) webhooks: &'static [&'static str],
}

/// Counts the request, and rejects it with 429 if it exceeds the quota.
pub(crate) async fn limit(State(limiter): State<Arc<Limiter>>, mut request: Request, next: Next) -> Response {
    let Some(class) = limiter.class(&request) else { return next.run(request).await };
    let (class, client) = match limiter.verifier.identify(request.headers()) {
        Some(user) => (class, ClientIdentity::Account(user.id)),
        None => match request.extensions().get::<ClientAddress>() {
            Some(address) => (RateClass::Guest, ClientIdentity::Guest(address.0)),
            None => return next.run(request).await,
        },
    };
    let decision = limiter.counters.count(class, client).await;
    let mut response = if decision.is_allowed {
        // `web` then marks the requests that it sends for this one.
        request.extensions_mut().insert(AlreadyCounted);
        next.run(request).await
    } else {
        metrics::counter!("rate_limited_requests_total", "class" => class.name()).increment(1);
        Error::RateLimited(decision.resets_in).into_response()
    };
    set_headers(&mut response, decision);
    response
}

impl Limiter {
    /// The class of the request if its sender is signed in; `None` if it is exempt or counted already.
    fn class(&self, request: &Request) -> Option<RateClass> {
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        if route.is_some_and(|route| self.webhooks.contains(&route)) {
            return None;
        }
        let class = class::of(self.classes, request.method(), route)?;
        let marked = request.headers().get(marker::HEADER);
        // Hashes are compared, so that the duration reveals nothing about the expected value.
        let is_counted = marked.is_some_and(|marked| {
            let hash = |value: &HeaderValue| value.to_str().map(|text| self.counters.hash(text)).ok();
            marker::header_value(&self.counters)
                .is_some_and(|expected| hash(marked).is_some() && hash(marked) == hash(&expected))
        });
        (!is_counted).then_some(class)
    }
}

/// Adds the `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers).
fn set_headers(response: &mut Response, decision: Decision) {
    let Decision { class, quota, remaining, resets_in, .. } = decision;
    let seconds = resets_in.as_secs() + u64::from(resets_in.subsec_nanos() > 0);
    let name = class.name();
    let lines = [
        (POLICY, format!("\"{name}\";q={quota};w={}", WINDOW.as_secs())),
        (STATE, format!("\"{name}\";r={remaining};t={seconds}")),
    ];
    for (header, line) in lines {
        if let Ok(line) = HeaderValue::from_str(&line) {
            response.headers_mut().insert(header, line);
        }
    }
}
