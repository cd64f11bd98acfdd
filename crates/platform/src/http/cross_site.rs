//! Refuses what another site makes a browser send: unsafe methods and WebSocket upgrades.
//!
//! # Why
//! Fetch metadata and `Origin` are set by the browser and can't be forged by a page, so no token has
//! to travel through forms. A client that sends neither is no browser and has no cookies to abuse.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::error::{Error, Rejection};
use http::{HeaderMap, Method, header};

use super::settings::HttpSettings;

/// Lets same-origin requests and programs pass.
pub(crate) async fn refuse(State(rules): State<Arc<HttpSettings>>, request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE);
    let upgrade = request.headers().contains_key(header::SEC_WEBSOCKET_KEY);
    let webhook = rules.webhooks.contains(&request.uri().path());
    let allowed = if upgrade {
        origin(request.headers()) == Some(rules.public_origin.as_str())
    } else {
        safe || webhook || is_same_origin(request.headers(), &rules.public_origin)
    };
    if allowed {
        next.run(request).await
    } else {
        Error::Forbidden(Rejection::new("cross-site", "Requests from other sites are refused.")).into_response()
    }
}

fn is_same_origin(headers: &HeaderMap, public: &str) -> bool {
    match headers.get("sec-fetch-site").map(|value| value.to_str().unwrap_or("cross-site")) {
        Some(site) => !matches!(site, "cross-site" | "same-site"),
        None => headers.get(header::ORIGIN).is_none() || origin(headers) == Some(public),
    }
}

fn origin(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::ORIGIN).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_of_other_sites_are_told_apart() {
        let public = "https://ticketing.dev";
        let table: [(&[(&str, &str)], bool); 8] = [
            (&[], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "https://ticketing.dev")], false),
            (&[("origin", "https://ticketing.dev")], true),
            (&[("origin", "https://evil.example")], false),
            (&[("origin", "null")], false),
        ];
        for (pairs, allowed) in table {
            let headers: HeaderMap =
                pairs.iter().map(|(k, v)| (http::HeaderName::from_static(k), v.parse().unwrap())).collect();
            assert_eq!(is_same_origin(&headers, public), allowed, "{pairs:?}");
        }
    }
}
