//! clap value parsers for settings, with their error messages.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;

/// Accepts any text, in a type that logs do not show. The caller validates it.
pub fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

/// Parses a positive duration: `15m`, `6s`, `250ms`.
pub fn duration(text: &str) -> Result<Duration, String> {
    duration_or_zero(text)
        .ok()
        .filter(|d| !d.is_zero())
        .ok_or_else(|| "must be a duration such as 15m, 6s or 250ms".to_owned())
}

/// Parses a duration that may be `0s`.
pub(crate) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    let span = signed_duration(text)?;
    Duration::try_from(span).map_err(|_| "must not be negative".to_owned())
}

/// Parses a duration that may be negative.
pub(crate) fn signed_duration(text: &str) -> Result<jiff::SignedDuration, String> {
    text.parse().map_err(|_| "must be a duration such as 2m, 5s or 0s".to_owned())
}

/// Parses an HTTP origin: scheme, host and port, without a path.
pub(crate) fn public_url(text: &str) -> Result<String, String> {
    let wrong = || "must be an address such as https://ticketing.dev, without a path".to_owned();
    let url: http::Uri = text.parse().map_err(|_| wrong())?;
    let scheme = url.scheme_str().filter(|s| matches!(*s, "http" | "https")).ok_or_else(wrong)?;
    let authority = url.authority().ok_or_else(wrong)?;
    if url.path() == "/" && url.query().is_none() { Ok(format!("{scheme}://{authority}")) } else { Err(wrong()) }
}

/// Parses a network of proxies; a single address is a network of one. Rejects the network of all addresses, and the
/// networks that are reserved for documentation: the production manifests contain one of these until an operator enters
/// the network of the cluster.
pub(crate) fn proxies(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "must be addresses or networks such as 10.0.0.0/8,::1".to_owned())?;
    let is_example = match network.network() {
        IpAddr::V4(address) => address.is_documentation(),
        IpAddr::V6(address) => address.segments().starts_with(&[0x2001, 0xdb8]),
    };
    if network.prefix_len() == 0 {
        return Err("would let everyone choose their address: name the proxies".to_owned());
    }
    if is_example {
        return Err("is an example: set it to the pod network of the cluster".to_owned());
    }
    Ok(network)
}

/// Creates a client, which connects on first use.
pub(crate) fn redis_client(text: &str) -> Result<redis::Client, String> {
    redis::Client::open(text).map_err(|_| "must be an address such as redis://host:6379".to_owned())
}
