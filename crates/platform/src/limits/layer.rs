//! The layer around a service's routes: counts, refuses, and says how much is left.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::error::Error;
use common::identity::Verifier;
use http::{HeaderName, HeaderValue};

use super::class::{self, RateClass, RateClasses};
use super::counters::{Counters, Decision, Who};
use super::marker::{self, Counted};
use super::shared::WINDOW;
use crate::http::address::ClientAddress;

/// `"orders";q=60;w=60`
pub const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// `"orders";r=59;t=12`
pub const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// The limits of one service's routes.
pub(crate) struct Limiter {
    pub(crate) counters: Counters,
    pub(crate) classes: RateClasses,
    pub(crate) verifier: Verifier,
    pub(crate) webhooks: &'static [&'static str],
}

/// Counts the request, and refuses one too many.
pub(crate) async fn limit(State(limiter): State<Arc<Limiter>>, mut request: Request, next: Next) -> Response {
    let Some(class) = limiter.class(&request) else { return next.run(request).await };
    let (class, who) = match limiter.verifier.identify(request.headers()) {
        Some(user) => (class, Who::Account(user.id)),
        None => match request.extensions().get::<ClientAddress>() {
            Some(address) => (RateClass::Guest, Who::Guest(address.0)),
            None => return next.run(request).await,
        },
    };
    let decision = limiter.counters.count(class, who).await;
    let mut response = if decision.is_allowed {
        request.extensions_mut().insert(Counted);
        next.run(request).await
    } else {
        metrics::counter!("rate_limited_requests_total", "class" => class.name()).increment(1);
        Error::RateLimited(decision.resets_in).into_response()
    };
    tell(&mut response, decision);
    response
}

impl Limiter {
    /// What the request counts as when its sender is signed in; `None` when it is not counted here.
    fn class(&self, request: &Request) -> Option<RateClass> {
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        if route.is_some_and(|route| self.webhooks.contains(&route)) {
            return None;
        }
        let class = class::of(self.classes, request.method(), route)?;
        let marked = request.headers().get(marker::HEADER);
        // Compared by their hashes, which tell nothing of each other however long comparing takes.
        let is_counted = marked.is_some_and(|marked| {
            let hash = |value: &HeaderValue| value.to_str().map(|text| self.counters.hash(text)).ok();
            marker::of(&self.counters).is_some_and(|ours| hash(marked).is_some() && hash(marked) == hash(&ours))
        });
        (!is_counted).then_some(class)
    }
}

/// Says how much is left (draft-ietf-httpapi-ratelimit-headers).
fn tell(response: &mut Response, decision: Decision) {
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
