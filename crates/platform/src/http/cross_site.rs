//! CSRF protection: rejects unsafe requests and WebSocket upgrades that another site makes a browser send.
//!
//! # Why
//! The browser sets fetch metadata and `Origin`, and pages can't forge them, so forms need no CSRF token. A client that
//! sends neither is not a browser, and has no cookies to abuse.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use common::error::{Error, Rejection};
use http::{HeaderMap, header};

use super::settings::HttpSettings;

/// Rejects cross-site requests. Same-origin requests and clients that are not browsers pass.
pub(crate) async fn reject(State(settings): State<Arc<HttpSettings>>, request: Request, next: Next) -> Response {
    let safe = request.method().is_safe();
    let upgrade = request.headers().contains_key(header::SEC_WEBSOCKET_KEY);
    // Webhooks need no cookies: they are authenticated by a signature.
    let webhook = settings.webhooks.contains(&request.uri().path());
    let allowed = if upgrade {
        origin(request.headers()) == Some(settings.config.public_url.as_str())
    } else {
        safe || webhook || is_same_origin(request.headers(), &settings.config.public_url)
    };
    if allowed {
        next.run(request).await
    } else {
        Error::Forbidden(Rejection::new("cross-site", "Requests from other sites are rejected.")).into_response()
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
    fn cross_site_requests_are_recognised() {
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
