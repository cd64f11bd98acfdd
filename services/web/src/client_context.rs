//! The browser's context, forwarded in calls to other services.

use std::net::IpAddr;

use axum::Extension;
use axum::extract::FromRequestParts;
use axum::response::Response;
use cookie::Cookie;
use http::{HeaderMap, HeaderValue, header};

/// The parts of the browser's request that are forwarded; an extractor for handlers.
#[derive(Debug, Clone, FromRequestParts)]
#[from_request(via(Extension))]
pub(crate) struct ClientContext {
    /// Values of the `Cookie` headers; those of the new session, if it was renewed.
    pub cookies: Vec<HeaderValue>,
    pub address: IpAddr,
    /// `User-Agent`, by which users recognise their sessions.
    pub user_agent: Option<HeaderValue>,
    /// Whether this service's rate limit has counted the request, so that reads for its page are not counted again.
    pub is_already_rate_limited: bool,
}

impl ClientContext {
    pub(crate) fn new(headers: &HeaderMap, address: IpAddr, is_already_rate_limited: bool) -> Self {
        let cookies = headers.get_all(header::COOKIE).iter().cloned().collect();
        Self { cookies, address, user_agent: headers.get(header::USER_AGENT).cloned(), is_already_rate_limited }
    }

    /// Replaces the cookies by those of a renewed session, given as `Set-Cookie` values.
    pub(crate) fn replace_cookies(&mut self, renewed: &[HeaderValue]) {
        let parsed = renewed.iter().filter_map(|value| Cookie::parse(value.to_str().ok()?).ok());
        let pairs: Vec<_> = parsed.map(|cookie| cookie.stripped().to_string()).collect();
        self.cookies = HeaderValue::from_str(&pairs.join("; ")).into_iter().collect();
    }
}

/// The response with these `Set-Cookie` values.
pub(crate) fn with_cookies(mut response: Response, cookies: Vec<HeaderValue>) -> Response {
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewed_session_replaces_its_cookies() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("access=old; refresh=old"));
        let address = IpAddr::from([10, 0, 0, 1]);
        let mut client = ClientContext::new(&headers, address, false);
        assert_eq!(client.cookies, ["access=old; refresh=old"]);
        let renewed = ["access=new; Path=/; HttpOnly", "refresh=newer; Path=/"].map(HeaderValue::from_static);
        client.replace_cookies(&renewed);
        assert_eq!(client.cookies, ["access=new; refresh=newer"]);
    }
}
