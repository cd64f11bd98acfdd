//! Finds addresses in texts: `mongodb://user:secret@a:27017,b:27017/`, `nats:4222`.

/// A host with its port, which may follow from the scheme.
pub(super) type Address = (String, Option<u16>);

/// The hosts of all URLs in a text, including lists of hosts with commas.
pub(super) fn of_urls(text: &str) -> Vec<Address> {
    let mut addresses = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let scheme = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '+')).next().unwrap_or_default();
        let is_end = |c: char| matches!(c, '/' | '?' | '#' | '"' | '\'' | '`') || c.is_whitespace();
        let authority = after.split(is_end).next().unwrap_or_default();
        let hosts = authority.rsplit('@').next().unwrap_or(authority).split(',');
        addresses.extend(hosts.filter_map(|host| parse(host, default_port(scheme))));
        rest = after;
    }
    addresses
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "mongodb" | "mongodb+srv" => Some(27017),
        "nats" | "tls" => Some(4222),
        "redis" | "rediss" => Some(6379),
        _ => None,
    }
}

fn parse(text: &str, default_port: Option<u16>) -> Option<Address> {
    let (host, port) = match text.rsplit_once(':') {
        // The scheme of the next URL in a list.
        Some((_, "")) => return None,
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, default_port),
    };
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    is_host.then(|| (host.to_owned(), port))
}

/// Finds every `host:port` in a text such as a script or a configuration file, whether or not it is part of a URL.
pub(super) fn of_words(text: &str) -> Vec<Address> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '@')));
    let hosts = words.map(|word| word.rsplit('@').next().unwrap_or(word)).filter(|word| word.contains(':'));
    hosts.filter_map(|word| parse(word, None)).collect()
}

/// Whether a host is the loopback interface or the unspecified address.
pub(super) fn is_local(host: &str) -> bool {
    host == "localhost" || host == "0.0.0.0" || host.starts_with("127.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found() {
        let at = |host: &str, port| (host.to_owned(), port);
        let urls = [
            (
                "mongodb://a:x@b-0.b:27017,b-1.b:27018/?replicaSet=rs",
                vec![at("b-0.b", Some(27017)), at("b-1.b", Some(27018))],
            ),
            ("nats://a:p@n-0.n:4222,nats://a:p@n-1.n:4222", vec![at("n-0.n", Some(4222)), at("n-1.n", Some(4222))]),
            ("https://api.stripe.com", vec![at("api.stripe.com", Some(443))]),
            ("redis://:12345@redis", vec![at("redis", Some(6379))]),
            ("mongodb+srv://u:p@cluster0.x.example/", vec![at("cluster0.x.example", Some(27017))]),
            ("fetch('http://auth:3000/x')", vec![at("auth", Some(3000))]),
            ("info", vec![]),
        ];
        for (text, expected) in urls {
            assert_eq!(of_urls(text), expected, "{text}");
        }
        let script = "rs.initiate({members: [{host: \"m-0.m:27017\"}]}); nats-route://u:1@n-1.n:6222 a:b 12:30";
        let expected = vec![at("m-0.m", Some(27017)), at("n-1.n", Some(6222)), at("12", Some(30))];
        assert_eq!(of_words(script), expected);
    }
}
