//! Generates Caddy's JSON configuration from the routes.
//!
//! Caddy trusts no proxy by default: it sets X-Forwarded-For to the address of its peer and drops the
//! client's value. It passes Host and WebSocket upgrades on unchanged.

use serde_json::{Map, Value, json};

use super::GatewayOptions;
use super::route::{PathMatch, Rule};

/// How long a request waits for an instance that accepts connections.
const TRY_DURATION: &str = "5s";

/// Interval between readiness checks of an instance.
const READY_CHECK_INTERVAL: &str = "500ms";

/// The largest body that the services accept, in bytes.
const BODY_LIMIT: usize = 1 << 20;

/// Returns the complete configuration.
pub(super) fn config(listen: &[String], rules: &[Rule], options: &GatewayOptions) -> Value {
    let proxy = |service: &str| {
        let instances = options.upstreams.get(service).map(Vec::as_slice).unwrap_or_default();
        proxy(instances, options.metrics_ports.get(service).copied())
    };
    let route = |rule: &Rule| {
        json!({
            "match": [{ "path_regexp": { "pattern": pattern(&rule.path) } }],
            "handle": [proxy(&rule.service)],
            "terminal": true,
        })
    };
    let mut servers = Map::new();
    servers.insert("gateway".to_owned(), server(listen, rules.iter().map(route).collect()));
    for (service, port) in &options.internal_ports {
        let server = server(&[format!("127.0.0.1:{port}")], vec![json!({ "handle": [proxy(service)] })]);
        // Internal callers are trusted to set X-Forwarded-For.
        let trusted = json!({ "source": "static", "ranges": ["127.0.0.1/32"] });
        servers.insert(format!("internal-{service}"), with(server, "trusted_proxies", trusted));
    }
    json!({
        "admin": { "disabled": true, "config": { "persist": false } },
        "logging": { "logs": { "default": { "level": "WARN" } } },
        "apps": { "http": { "grace_period": "5s", "servers": servers } },
    })
}

fn server(listen: &[String], mut routes: Vec<Value>) -> Value {
    routes.splice(0..0, too_large());
    json!({
        "listen": listen,
        "protocols": ["h1"],
        // Above the services' own limit, so that their more helpful response is sent.
        "max_header_bytes": 1 << 18,
        "automatic_https": { "disable": true },
        "routes": routes,
        "errors": { "routes": [unavailable()] },
    })
}

/// Returns a regular expression, since Caddy's path matcher ignores case and does not match by segments.
fn pattern(path: &PathMatch) -> String {
    match path {
        PathMatch::Exact(path) => format!("^{}$", quote(path)),
        PathMatch::Prefix(prefix) => format!("^{}(?:/|$)", quote(prefix)),
    }
}

fn quote(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_punctuation() { format!("\\{c}") } else { c.to_string() }).collect()
}

/// Forwards to the instances of a service. When a connection is refused, another instance is tried (or
/// the same one again, while it restarts). A request that has reached an instance is not repeated unless
/// it is a GET.
///
/// Each request has its own connection: an instance that shuts down could close a reused one just as a
/// request is sent on it. If a service has several instances, one that is not ready gets no more
/// requests, as in a cluster.
fn proxy(instances: &[String], metrics_port: Option<u16>) -> Value {
    let upstreams: Vec<Value> = instances.iter().map(|address| json!({ "dial": address })).collect();
    let proxy = json!({
        "handler": "reverse_proxy",
        "upstreams": upstreams,
        "load_balancing": {
            "selection_policy": { "policy": "round_robin" },
            "try_duration": TRY_DURATION,
            "try_interval": "50ms",
        },
        "transport": { "protocol": "http", "dial_timeout": "1s", "keep_alive": { "enabled": false } },
        "headers": { "request": { "delete": ["Forwarded", "X-Real-Ip"] } },
    });
    let Some(port) = metrics_port.filter(|_| instances.len() > 1) else { return proxy };
    let check = json!({ "uri": "/readyz", "port": port, "interval": READY_CHECK_INTERVAL, "timeout": "3s" });
    with(proxy, "health_checks", json!({ "active": check }))
}

/// Adds a field to a JSON object.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
    object
}

/// Two routes that reject a request whose Content-Length exceeds the limit: with problem details for the
/// API, with a page for browsers. Without them, a service would reject the request and Caddy would go on
/// reading the body.
fn too_large() -> [Value; 2] {
    let length = "{http.request.header.Content-Length}";
    let expression =
        format!("{length}.matches('^[0-9]{{19,}}$') || ({length}.matches('^[0-9]+$') && int({length}) > {BODY_LIMIT})");
    let route = |path: &str, response: Value| {
        json!({
            "match": [{ "expression": expression, "path_regexp": { "pattern": path } }],
            // Unless the connection is closed, the response waits for the body as well.
            "handle": [with(response, "close", json!(true))],
            "terminal": true,
        })
    };
    let problem = problem(413, "too-large", "The body is too large", "Send at most 1 MiB.", Map::new());
    let page = "<!doctype html><html lang=\"en\"><title>Too large</title><h1>What you sent is too large</h1>\
                <p>Send at most 1 MiB. Go back, shorten it, and try again.</p></html>";
    let headers = json!({ "Content-Type": ["text/html; charset=utf-8"] });
    let page = with(with(problem.clone(), "body", json!(page)), "headers", headers);
    [route("^/api(?:/|$)", problem), route("", page)]
}

/// The response when no instance is reachable: the same 503 as the services' for an unavailable dependency.
fn unavailable() -> Value {
    let detail = "The service can't be reached; try again soon.";
    let retry = Map::from_iter([("Retry-After".to_owned(), json!(["1"]))]);
    json!({ "handle": [problem(503, "unavailable", "Not available right now", detail, retry)] })
}

/// A handler that responds with problem details.
fn problem(status: u16, code: &str, title: &str, detail: &str, mut headers: Map<String, Value>) -> Value {
    for (name, value) in [
        ("Content-Type", "application/problem+json"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Request-Id", "{http.request.uuid}"),
    ] {
        headers.insert(name.to_owned(), json!([value]));
    }
    let problem = json!({
        "type": format!("urn:ticketing:problem:{code}"),
        "title": title,
        "status": status,
        "detail": detail,
        "instance": "{http.request.uuid}",
    });
    json!({
        "handler": "static_response",
        "status_code": status,
        "headers": headers,
        "body": problem.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn prefixes_end_at_segments_and_punctuation_is_quoted() {
        assert_eq!(pattern(&PathMatch::Prefix("/api/users".to_owned())), r"^\/api\/users(?:/|$)");
        assert_eq!(pattern(&PathMatch::Prefix(String::new())), "^(?:/|$)");
        assert_eq!(pattern(&PathMatch::Exact("/a.b{c}".to_owned())), r"^\/a\.b\{c\}$");
    }

    #[test]
    fn external_listener_trusts_no_proxies() {
        let rules = [Rule { path: PathMatch::Prefix("/api".to_owned()), service: "one".to_owned() }];
        let options = GatewayOptions {
            port: 80,
            upstreams: BTreeMap::from([("one".to_owned(), vec!["127.0.0.1:1".to_owned(), "127.0.0.2:1".to_owned()])]),
            internal_ports: BTreeMap::from([("one".to_owned(), 81)]),
            metrics_ports: BTreeMap::from([("one".to_owned(), 91)]),
            data: PathBuf::new(),
            log: PathBuf::new(),
        };
        let config = config(&["127.0.0.1:80".to_owned()], &rules, &options);
        assert_eq!(config.pointer("/admin/disabled"), Some(&json!(true)));
        let server = config.pointer("/apps/http/servers/gateway").unwrap();
        assert!(server.get("trusted_proxies").is_none());
        assert_eq!(server.pointer("/automatic_https/disable"), Some(&json!(true)));
        let dials = server.pointer("/routes/2/handle/0/upstreams").unwrap();
        assert_eq!(server.pointer("/routes/2/handle/0/health_checks/active/port"), Some(&json!(91)));
        assert_eq!(dials, &json!([{ "dial": "127.0.0.1:1" }, { "dial": "127.0.0.2:1" }]));
        let internal = config.pointer("/apps/http/servers/internal-one").unwrap();
        assert_eq!(internal["listen"], json!(["127.0.0.1:81"]));
    }
}
