//! The client's address: the rightmost entry of X-Forwarded-For that is not a trusted proxy.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;
use ipnet::IpNet;

use super::settings::HttpSettings;

/// Extracts the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Stores the client's address in the request's extensions.
pub(crate) async fn resolve(State(settings): State<Arc<HttpSettings>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    // A test that calls the router has no connection; its peer is localhost.
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_canonical();
    let client = client(peer, request.headers(), &settings.config.trusted_proxies);
    request.extensions_mut().insert(ClientAddress(client));
    next.run(request).await
}

/// Walks X-Forwarded-For from right to left, as long as the sender of the entry is a trusted proxy.
fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut forwarded: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .collect();
    let mut client = peer;
    while is_trusted(client)
        && let Some(address) = forwarded.pop().and_then(|address| address.trim().parse::<IpAddr>().ok())
    {
        client = address.to_canonical();
    }
    client
}

impl<S: Send + Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<Self>().copied();
        Ok(known.unwrap_or(Self(IpAddr::V4(Ipv4Addr::LOCALHOST))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_cannot_spoof_its_address() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap(), "127.0.0.1/32".parse().unwrap()];
        let table = [
            ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
            ("127.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),
            ("127.0.0.1", "1.2.3.4, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
            ("127.0.0.1", "nonsense", "127.0.0.1"),
            ("127.0.0.1", "", "127.0.0.1"),
        ];
        for (peer, forwarded, expected) in table {
            let headers =
                HeaderMap::from_iter([(http::HeaderName::from_static("x-forwarded-for"), forwarded.parse().unwrap())]);
            assert_eq!(client(peer.parse().unwrap(), &headers, &trusted).to_string(), expected, "{forwarded}");
        }
    }
}
