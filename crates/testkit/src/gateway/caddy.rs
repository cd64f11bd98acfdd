//! The routes as Caddy's JSON configuration.
//!
//! Caddy sets X-Forwarded-For from the peer that it sees and drops what the client claimed, since
//! no proxy is trusted; Host and WebSocket upgrades pass unchanged by themselves.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::route::{PathMatch, Rule};

/// How long a request waits for an instance that takes connections.
const TRY_FOR: &str = "5s";

/// The whole configuration.
pub(super) fn config(
    listen: &[String],
    rules: &[Rule],
    upstreams: &BTreeMap<String, Vec<String>>,
    internal: &BTreeMap<String, u16>,
) -> Value {
    let instances = |service: &str| upstreams.get(service).map(Vec::as_slice).unwrap_or_default();
    let routes: Vec<Value> = rules
        .iter()
        .map(|rule| {
            json!({
                "match": [{ "path_regexp": { "pattern": pattern(&rule.path) } }],
                "handle": [proxy(instances(&rule.service))],
                "terminal": true,
            })
        })
        .collect();
    let mut servers = Map::new();
    servers.insert("gateway".to_owned(), server(listen, &routes));
    for (service, port) in internal {
        let mut server = server(&[format!("127.0.0.1:{port}")], &[json!({ "handle": [proxy(instances(service))] })]);
        // The caller is one of us and says truly whom it speaks for.
        if let Some(fields) = server.as_object_mut() {
            fields.insert("trusted_proxies".to_owned(), json!({ "source": "static", "ranges": ["127.0.0.1/32"] }));
        }
        servers.insert(format!("internal-{service}"), server);
    }
    json!({
        "admin": { "disabled": true, "config": { "persist": false } },
        "logging": { "logs": { "default": { "level": "WARN" } } },
        "apps": { "http": { "grace_period": "5s", "servers": servers } },
    })
}

fn server(listen: &[String], routes: &[Value]) -> Value {
    json!({
        "listen": listen,
        "protocols": ["h1"],
        "automatic_https": { "disable": true },
        "routes": routes,
        "errors": { "routes": [unavailable()] },
    })
}

/// A regular expression, since Caddy's own path matcher ignores case and knows no segments.
fn pattern(path: &PathMatch) -> String {
    match path {
        PathMatch::Exact(path) => format!("^{}$", quote(path)),
        PathMatch::Prefix(prefix) => format!("^{}(?:/|$)", quote(prefix)),
    }
}

fn quote(text: &str) -> String {
    let mut quoted = String::new();
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

/// Tries another instance (or the same one again, while it restarts) when a connection is refused;
/// a request that has reached an instance is never sent twice unless it is a GET.
fn proxy(instances: &[String]) -> Value {
    let upstreams: Vec<Value> = instances.iter().map(|address| json!({ "dial": address })).collect();
    json!({
        "handler": "reverse_proxy",
        "upstreams": upstreams,
        "load_balancing": {
            "selection_policy": { "policy": "round_robin" },
            "try_duration": TRY_FOR,
            "try_interval": "50ms",
        },
        "transport": { "protocol": "http", "dial_timeout": "1s" },
        "headers": { "request": { "delete": ["Forwarded", "X-Real-Ip"] } },
    })
}

/// No instance could be reached: the answer that the services give when they lack something.
fn unavailable() -> Value {
    let problem = json!({
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "The service can't be reached.",
        "instance": "{http.request.uuid}",
    });
    json!({ "handle": [{
        "handler": "static_response",
        "status_code": 503,
        "headers": {
            "Content-Type": ["application/problem+json"],
            "Retry-After": ["1"],
            "X-Content-Type-Options": ["nosniff"],
            "X-Request-Id": ["{http.request.uuid}"],
        },
        "body": problem.to_string(),
    }]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_at_segments_and_everything_is_quoted() {
        assert_eq!(pattern(&PathMatch::Prefix("/api/users".to_owned())), r"^\/api\/users(?:/|$)");
        assert_eq!(pattern(&PathMatch::Prefix(String::new())), "^(?:/|$)");
        assert_eq!(pattern(&PathMatch::Exact("/a.b{c}".to_owned())), r"^\/a\.b\{c\}$");
    }

    #[test]
    fn nothing_of_the_outside_is_trusted_or_opened() {
        let rules = [Rule { path: PathMatch::Prefix("/api".to_owned()), service: "one".to_owned() }];
        let upstreams = BTreeMap::from([("one".to_owned(), vec!["127.0.0.1:1".to_owned(), "127.0.0.1:2".to_owned()])]);
        let internal = BTreeMap::from([("one".to_owned(), 81)]);
        let config = config(&["127.0.0.1:80".to_owned()], &rules, &upstreams, &internal);
        assert_eq!(config.pointer("/admin/disabled"), Some(&json!(true)));
        let server = config.pointer("/apps/http/servers/gateway").unwrap();
        assert!(server.get("trusted_proxies").is_none());
        assert_eq!(server.pointer("/automatic_https/disable"), Some(&json!(true)));
        let dials = server.pointer("/routes/0/handle/0/upstreams").unwrap();
        assert_eq!(dials, &json!([{ "dial": "127.0.0.1:1" }, { "dial": "127.0.0.1:2" }]));
        let internal = config.pointer("/apps/http/servers/internal-one").unwrap();
        assert_eq!(internal["listen"], json!(["127.0.0.1:81"]));
    }
}
