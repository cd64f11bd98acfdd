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

/// The response with those of these `Set-Cookie` values whose cookies it does not set itself.
pub(crate) fn with_unset_cookies(response: Response, cookies: Vec<HeaderValue>) -> Response {
    let name = |value: &HeaderValue| Some(value.to_str().ok()?.split_once('=')?.0.trim().to_owned());
    let set: Vec<_> = response.headers().get_all(header::SET_COOKIE).iter().map(name).collect();
    let unset = cookies.into_iter().filter(|cookie| !set.contains(&name(cookie))).collect();
    with_cookies(response, unset)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn cookies_of_the_response_take_precedence_over_those_of_the_same_name() {
        let renewed = || ["access=new; Path=/", "refresh=newer; Path=/"].map(HeaderValue::from_static).to_vec();
        let cookies_of = |set: &'static [&'static str]| {
            let set = set.iter().copied().map(HeaderValue::from_static).collect();
            let response = with_unset_cookies(with_cookies(().into_response(), set), renewed());
            response.headers().get_all(header::SET_COOKIE).iter().cloned().collect::<Vec<_>>()
        };
        // The trace of a hold says nothing about the session.
        let both = ["trace=1; Path=/checkout", "access=new; Path=/", "refresh=newer; Path=/"];
        assert_eq!(cookies_of(&["trace=1; Path=/checkout"]), both);
        assert_eq!(
            cookies_of(&["access=; Max-Age=0", "refresh=; Max-Age=0"]),
            ["access=; Max-Age=0", "refresh=; Max-Age=0"]
        );
    }

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
