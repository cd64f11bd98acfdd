//! The routes as Caddy's JSON configuration.
//!
//! Caddy sets X-Forwarded-For from the peer that it sees and drops what the client claimed, since
//! no proxy is trusted; Host and WebSocket upgrades pass unchanged by themselves.

use serde_json::{Map, Value, json};

use super::GatewayOptions;
use super::route::{PathMatch, Rule};

/// How long a request waits for an instance that takes connections.
const TRY_FOR: &str = "5s";

/// How often each instance is asked whether it is ready.
const READY_CHECK: &str = "500ms";

/// The largest body that the services take, in bytes.
const BODY_LIMIT: usize = 1 << 20;

/// The whole configuration.
pub(super) fn config(listen: &[String], rules: &[Rule], options: &GatewayOptions) -> Value {
    let proxy = |service: &str| {
        let instances = options.upstreams.get(service).map(Vec::as_slice).unwrap_or_default();
        proxy(instances, options.admin_ports.get(service).copied())
    };
    let routes: Vec<Value> = rules
        .iter()
        .map(|rule| {
            json!({
                "match": [{ "path_regexp": { "pattern": pattern(&rule.path) } }],
                "handle": [proxy(&rule.service)],
                "terminal": true,
            })
        })
        .collect();
    let mut servers = Map::new();
    servers.insert("gateway".to_owned(), server(listen, &routes));
    for (service, port) in &options.internal {
        let mut server = server(&[format!("127.0.0.1:{port}")], &[json!({ "handle": [proxy(service)] })]);
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
    let routes: Vec<_> = [too_large(true), too_large(false)].iter().chain(routes).cloned().collect();
    json!({
        "listen": listen,
        "protocols": ["h1"],
        // What is too much of them the services say, in words that help.
        "max_header_bytes": 1 << 18,
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
///
/// Each request has a connection of its own: one that is kept may be closed by an instance that ends
/// in the very moment in which a request is sent on it. Where there are several instances, one that
/// says that it is not ready gets no more requests, as in a cluster.
fn proxy(instances: &[String], admin_port: Option<u16>) -> Value {
    let upstreams: Vec<Value> = instances.iter().map(|address| json!({ "dial": address })).collect();
    let mut proxy = json!({
        "handler": "reverse_proxy",
        "upstreams": upstreams,
        "load_balancing": {
            "selection_policy": { "policy": "round_robin" },
            "try_duration": TRY_FOR,
            "try_interval": "50ms",
        },
        "transport": { "protocol": "http", "dial_timeout": "1s", "keep_alive": { "enabled": false } },
        "headers": { "request": { "delete": ["Forwarded", "X-Real-Ip"] } },
    });
    if let (Some(fields), Some(port)) = (proxy.as_object_mut(), admin_port)
        && instances.len() > 1
    {
        let check = json!({ "uri": "/readyz", "port": port, "interval": READY_CHECK, "timeout": "3s" });
        fields.insert("health_checks".to_owned(), json!({ "active": check }));
    }
    proxy
}

/// A body that says that it is too large is refused here: the proxy would wait for the body that a service has refused
/// already. To a browser it is said in words.
fn too_large(is_api: bool) -> Value {
    let length = "{http.request.header.Content-Length}";
    let expression =
        format!("{length}.matches('^[0-9]{{19,}}$') || ({length}.matches('^[0-9]+$') && int({length}) > {BODY_LIMIT})");
    let mut route = problem(413, "too-large", "The body is too large", "Send at most 1 MiB.");
    if !is_api && let Some(handler) = route.pointer_mut("/handle/0").and_then(Value::as_object_mut) {
        let page = "<!doctype html><html lang=\"en\"><title>Too large</title><h1>What you sent is too large</h1>\
                    <p>Send at most 1 MiB. Go back, shorten it, and try again.</p></html>";
        handler.insert("body".to_owned(), json!(page));
        handler.insert("headers".to_owned(), json!({ "Content-Type": ["text/html; charset=utf-8"] }));
    }
    // Without an end of the connection the answer would wait for the body as well.
    if let Some(handler) = route.pointer_mut("/handle/0").and_then(Value::as_object_mut) {
        handler.insert("close".to_owned(), json!(true));
    }
    if let Some(fields) = route.as_object_mut() {
        let path = if is_api { "^/api(?:/|$)" } else { "" };
        let whose = json!([{ "expression": expression, "path_regexp": { "pattern": path } }]);
        fields.insert("match".to_owned(), whose);
        fields.insert("terminal".to_owned(), json!(true));
    }
    route
}

/// No instance could be reached: the answer that the services give when they lack something.
fn unavailable() -> Value {
    problem(503, "unavailable", "Not available right now", "The service can't be reached; try again soon.")
}

/// A route that answers with a problem.
fn problem(status: u16, code: &str, title: &str, detail: &str) -> Value {
    let problem = json!({
        "type": format!("urn:ticketing:problem:{code}"),
        "title": title,
        "status": status,
        "detail": detail,
        "instance": "{http.request.uuid}",
    });
    let mut headers = json!({
        "Content-Type": ["application/problem+json"],
        "X-Content-Type-Options": ["nosniff"],
        "X-Request-Id": ["{http.request.uuid}"],
    });
    if status == 503
        && let Some(fields) = headers.as_object_mut()
    {
        fields.insert("Retry-After".to_owned(), json!(["1"]));
    }
    json!({ "handle": [{
        "handler": "static_response",
        "status_code": status,
        "headers": headers,
        "body": problem.to_string(),
    }]})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

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
        let options = GatewayOptions {
            port: 80,
            upstreams: BTreeMap::from([("one".to_owned(), vec!["127.0.0.1:1".to_owned(), "127.0.0.2:1".to_owned()])]),
            internal: BTreeMap::from([("one".to_owned(), 81)]),
            admin_ports: BTreeMap::from([("one".to_owned(), 91)]),
            routes: PathBuf::new(),
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
