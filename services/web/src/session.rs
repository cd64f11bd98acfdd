//! With which cookies a page speaks to the other services on behalf of its viewer.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};

/// The browser's cookies, as they are after its session was renewed, and its address.
#[derive(Debug, Clone)]
pub struct Session {
    /// Values for `Cookie` headers.
    pub cookies: Vec<HeaderValue>,
    /// The browser's address.
    pub address: IpAddr,
    /// What the browser calls itself, by which people tell their sessions apart.
    pub agent: Option<HeaderValue>,
    /// Whether the browser's request was counted here: what is read for its page is not counted again.
    pub is_counted: bool,
}

impl Session {
    /// What the browser sent, with what it is told to keep from now on put in its place.
    pub fn new(headers: &HeaderMap, renewed: &[HeaderValue], address: IpAddr) -> Self {
        let cookies = if renewed.is_empty() {
            headers.get_all(header::COOKIE).iter().cloned().collect()
        } else {
            let pairs = renewed.iter().filter_map(|value| value.to_str().ok()?.split(';').next());
            HeaderValue::from_str(&pairs.collect::<Vec<_>>().join("; ")).into_iter().collect()
        };
        Self { cookies, address, agent: headers.get(header::USER_AGENT).cloned(), is_counted: false }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self { cookies: Vec::new(), address: Ipv4Addr::UNSPECIFIED.into(), agent: None, is_counted: false }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// The response, with these cookies for the browser to keep.
pub fn with_cookies(mut response: Response, cookies: Vec<HeaderValue>) -> Response {
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewed_session_goes_on_with_its_new_cookies() {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, HeaderValue::from_static("access=old; refresh=old"));
        let address = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(Session::new(&headers, &[], address).cookies, ["access=old; refresh=old"]);
        let renewed = ["access=new; Path=/; HttpOnly", "refresh=newer; Path=/"].map(HeaderValue::from_static);
        assert_eq!(Session::new(&headers, &renewed, address).cookies, ["access=new; refresh=newer"]);
    }
}
