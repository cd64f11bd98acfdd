//! Random requests to one route, drawn from what the OpenAPI document says of it.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Request};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

use super::values::{any_json, any_text, of_schema};
use crate::app::users::User;

/// Headers that something on the way to a handler reads.
const HEADERS: [&str; 14] = [
    "accept",
    "accept-encoding",
    "authorization",
    "content-length",
    "cookie",
    "forwarded",
    "idempotency-key",
    "if-match",
    "origin",
    "sec-fetch-site",
    "sec-websocket-key",
    "traceparent",
    "x-forwarded-for",
    "x-request-id",
];

/// A request as it was drawn.
#[derive(Debug, Clone)]
pub(super) struct Crafted {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Shown,
}

/// A body that a failing test shows as text.
#[derive(Clone)]
struct Shown(Vec<u8>);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl Crafted {
    /// The request, unless no client could send it.
    pub(super) fn build(&self) -> Option<Request<Body>> {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.target);
        for (name, value) in &self.headers {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) else { continue };
            request = request.header(name, value);
        }
        request.body(Body::from(self.body.0.clone())).ok()
    }

    /// Whether its errors are problem details.
    pub(super) fn is_api(&self) -> bool {
        self.target.starts_with("/api/")
    }

    /// Whether an answer to it has a body.
    pub(super) fn has_answer(&self) -> bool {
        // The answer may be compressed, which is not what is tested here.
        self.method != "HEAD" && !self.headers.iter().any(|(name, _)| name == "accept-encoding")
    }
}

/// Requests to one operation of the document.
pub(super) fn requests(
    document: &Value,
    method: &str,
    path: &str,
    operation: &Value,
    user: Option<&User>,
) -> BoxedStrategy<Crafted> {
    let method = method.to_uppercase();
    let cookie = user.map(|user| ("cookie".to_owned(), format!("access={}", user.token).into_bytes()));
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let told = declared_headers(document, &parameters);
    (
        prop_oneof![19 => Just(method), 1 => select(&["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])],
        target(document, path, &parameters),
        (told, vec(header(), 0..3), content_type(), prop::bool::weighted(0.8)),
        body(document, operation),
    )
        .prop_map(move |(method, target, (told, more, kind, signed_in), body)| {
            let mut headers: Vec<_> = told.into_iter().chain(more).collect();
            headers.extend(kind.map(|kind| ("content-type".to_owned(), kind.into_bytes())));
            headers.extend(cookie.clone().filter(|_| signed_in));
            Crafted { method, target, headers, body: Shown(body) }
        })
        .boxed()
}

fn select(from: &[&'static str]) -> impl Strategy<Value = String> + use<> {
    proptest::sample::select(from.to_vec()).prop_map(ToOwned::to_owned)
}

fn content_type() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        30 => Just(Some("application/json".to_owned())),
        1 => select(&["application/json; charset=utf-8", "text/plain", "application/x-www-form-urlencoded", ";"])
            .prop_map(Some),
        1 => Just(None),
    ]
}

/// A header that nobody asked for.
fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    (select(&HEADERS), header_value())
}

fn header_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>().prop_filter("a byte of a header", |byte| *byte >= 32 && *byte != 127), 0..60),
        any_text().prop_map(String::into_bytes),
        select(&[
            "same-origin",
            "cross-site",
            "null",
            "\"0\"",
            "\"1\", \"2\"",
            "*",
            "W/\"0\"",
            "gzip, br;q=0.1",
            "::1",
            "203.0.113.7, 10.0.0.1",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "access=; refresh=",
            "refresh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "access=eyJhbGciOiJub25lIn0.e30.",
            "a=b; =; ;;",
        ])
        .prop_map(String::into_bytes),
    ]
}

/// The headers that the operation declares, each there or not.
fn declared_headers(document: &Value, parameters: &[Value]) -> BoxedStrategy<Vec<(String, Vec<u8>)>> {
    let mut all = Just(Vec::new()).boxed();
    for parameter in parameters.iter().filter(|parameter| parameter["in"] == "header") {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        let right = of_schema(document, &parameter["schema"], 0).prop_map(|value| plain(&value).into_bytes());
        let value = option::of(prop_oneof![right, header_value()]);
        all = (all, value)
            .prop_map(move |(mut all, value)| {
                all.extend(value.map(|value| (name.clone(), value)));
                all
            })
            .boxed();
    }
    all
}

/// The path with its places filled, and a query.
fn target(document: &Value, path: &str, parameters: &[Value]) -> BoxedStrategy<String> {
    let mut target = Just(path.to_owned()).boxed();
    let mut query = Just(Vec::<String>::new()).boxed();
    for parameter in parameters {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        let right = of_schema(document, &parameter["schema"], 0).prop_map(|value| escaped(&plain(&value)));
        let wrong = prop_oneof![any_text().prop_map(|text| escaped(&text)), select(&["%ff", "%00", "..", "%2f", "%"])];
        let value = prop_oneof![3 => right, 1 => wrong];
        match parameter["in"].as_str() {
            Some("path") => {
                target = (target, value)
                    .prop_map(move |(target, value)| target.replace(&format!("{{{name}}}"), &value))
                    .boxed();
            }
            Some("query") => {
                query = (query, option::of(value))
                    .prop_map(move |(mut query, value)| {
                        query.extend(value.map(|value| format!("{name}={value}")));
                        query
                    })
                    .boxed();
            }
            _ => {}
        }
    }
    let orphan = prop_oneof![any_text().prop_map(|text| escaped(&text)), select(&["limit=", "a=1&a=2", "%zz", "&&=&"])];
    (target, query, option::weighted(0.2, orphan))
        .prop_map(|(target, mut query, orphan)| {
            query.extend(orphan);
            if query.is_empty() { target } else { format!("{target}?{}", query.join("&")) }
        })
        .boxed()
}

/// Mostly what the operation's schema says, sometimes damaged, sometimes anything.
fn body(document: &Value, operation: &Value) -> BoxedStrategy<Vec<u8>> {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
    let anything = prop_oneof![
        any_json().prop_map(|value| value.to_string().into_bytes()),
        vec(any::<u8>(), 0..80),
        select(&["", "{", "null", "[[[[[[", "{\"a\":1e999}", "\u{feff}{}", "{}{}", "\"\\ud800\""])
            .prop_map(String::into_bytes),
    ];
    if schema.is_null() {
        return prop_oneof![3 => Just(Vec::new()), 1 => anything].boxed();
    }
    let right = of_schema(document, schema, 0).boxed();
    let damaged = (right.clone(), any_json(), any::<prop::sample::Index>(), any::<bool>())
        .prop_map(|(body, other, at, rename)| damage(body, other, at, rename));
    prop_oneof![
        6 => right.prop_map(|value| value.to_string().into_bytes()),
        3 => damaged.prop_map(|value| value.to_string().into_bytes()),
        2 => anything,
    ]
    .boxed()
}

/// One field replaced by something else, or moved to a name that nobody knows.
fn damage(mut body: Value, other: Value, at: prop::sample::Index, rename: bool) -> Value {
    let Some(fields) = body.as_object_mut().filter(|fields| !fields.is_empty()) else { return other };
    let name = fields.keys().nth(at.index(fields.len())).cloned().unwrap_or_default();
    if rename {
        let value = fields.remove(&name).unwrap_or_default();
        fields.insert(format!("{name}2"), value);
    } else {
        fields.insert(name, other);
    }
    body
}

/// The value as it stands in a path, a query or a header.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes all");
        }
        out
    })
}
