//! Finds the addresses that a text names: `mongodb://user:secret@a:27017,b:27017/`, `nats:4222`.

/// A host, and its port if one is given or goes without saying.
pub(super) type Address = (String, Option<u16>);

/// The hosts of every URL in the text. Where the text has commas between hosts, all of them.
pub(super) fn of_urls(text: &str) -> Vec<Address> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("://") {
        let scheme = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '+')).next().unwrap_or_default();
        let end = behind.find(|c: char| matches!(c, '/' | '?' | '#' | '"' | '\'' | '`') || c.is_whitespace());
        let authority = behind.get(..end.unwrap_or(behind.len())).unwrap_or(behind);
        let hosts = authority.rsplit('@').next().unwrap_or(authority).split(',');
        found.extend(hosts.filter_map(|host| host_and_port(host, usual_port(scheme))));
        rest = behind;
    }
    found
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "mongodb" | "mongodb+srv" => Some(27017),
        "nats" | "tls" => Some(4222),
        "redis" | "rediss" => Some(6379),
        _ => None,
    }
}

fn host_and_port(text: &str, usual: Option<u16>) -> Option<Address> {
    let (host, port) = match text.rsplit_once(':') {
        // The scheme of the next URL in a list, which has no port behind its colon.
        Some((_, "")) => return None,
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, usual),
    };
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    is_host.then(|| (host.to_owned(), port))
}

/// Every `host:port` in the text, in a URL or by itself, such as in a script or a server's own file.
pub(super) fn of_words(text: &str) -> Vec<Address> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '@')));
    let hosts = words.map(|word| word.rsplit('@').next().unwrap_or(word)).filter(|word| word.contains(':'));
    hosts.filter_map(|word| host_and_port(word, None)).collect()
}

/// Whether it is this machine, or every address of it.
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
