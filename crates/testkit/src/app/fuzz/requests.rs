//! Strategies for random requests to one operation of the OpenAPI document.

use axum::body::Body;
use http::{HeaderName, HeaderValue, Request};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

use super::values::{any_json, any_text, of_schema};
use crate::app::users::User;

/// Headers that middleware or extractors read.
const HEADERS: &str = "accept accept-encoding authorization content-length cookie forwarded idempotency-key if-match \
                       origin sec-fetch-site sec-websocket-key traceparent x-forwarded-for x-request-id";

/// A generated request, which may be invalid.
#[derive(Debug, Clone)]
pub(super) struct GeneratedRequest {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: BodyBytes,
}

/// A body whose debug output is text.
#[derive(Clone)]
struct BodyBytes(Vec<u8>);

impl std::fmt::Debug for BodyBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl GeneratedRequest {
    /// Builds the request, unless no client could send it.
    pub(super) fn build(&self) -> Option<Request<Body>> {
        let mut request = Request::builder().method(self.method.as_str()).uri(&self.target);
        for (name, value) in &self.headers {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) else { continue };
            request = request.header(name, value);
        }
        request.body(Body::from(self.body.0.clone())).ok()
    }

    /// Whether errors of this request are problem documents.
    pub(super) fn is_api(&self) -> bool {
        self.target.starts_with("/api/")
    }

    /// Whether the response has a body that is not compressed.
    pub(super) fn expects_plain_body(&self) -> bool {
        self.method != "HEAD" && !self.headers.iter().any(|(name, _)| name == "accept-encoding")
    }
}

/// Returns a strategy for requests to one operation of the document.
pub(super) fn requests(
    document: &Value,
    method: &str,
    path: &str,
    operation: &Value,
    user: Option<&User>,
) -> BoxedStrategy<GeneratedRequest> {
    let method = method.to_uppercase();
    let cookie = user.map(|user| ("cookie".to_owned(), format!("access={}", user.token).into_bytes()));
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    let declared = declared_headers(document, &parameters);
    (
        prop_oneof![19 => Just(method), 1 => select(&["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])],
        target(document, path, &parameters),
        (declared, vec(header(), 0..3), content_type(), prop::bool::weighted(0.8)),
        body(document, operation),
    )
        .prop_map(move |(method, target, (declared, more, content_type, signed_in), body)| {
            let mut headers: Vec<_> = declared.into_iter().chain(more).collect();
            headers.extend(content_type.map(|kind| ("content-type".to_owned(), kind.into_bytes())));
            headers.extend(cookie.clone().filter(|_| signed_in));
            GeneratedRequest { method, target, headers, body: BodyBytes(body) }
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

/// Any of [`HEADERS`], whether or not the operation declares it.
fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    (select(&HEADERS.split(' ').collect::<Vec<_>>()), header_value())
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

/// The headers that the operation declares, each present or not.
fn declared_headers(document: &Value, parameters: &[Value]) -> BoxedStrategy<Vec<(String, Vec<u8>)>> {
    let header = |parameter: &Value| {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        let valid = of_schema(document, &parameter["schema"], 0).prop_map(|value| plain(&value).into_bytes());
        let value = option::of(prop_oneof![valid, header_value()]);
        value.prop_map(move |value| value.map(|value| (name.clone(), value))).boxed()
    };
    let headers: Vec<_> = parameters.iter().filter(|parameter| parameter["in"] == "header").map(header).collect();
    headers.prop_map(|headers| headers.into_iter().flatten().collect()).boxed()
}

/// The path with its parameters substituted, and a query.
fn target(document: &Value, path: &str, parameters: &[Value]) -> BoxedStrategy<String> {
    let path = path.to_owned();
    let argument = |parameter: &Value| {
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        let valid = of_schema(document, &parameter["schema"], 0).prop_map(|value| escaped(&plain(&value)));
        let invalid =
            prop_oneof![any_text().prop_map(|text| escaped(&text)), select(&["%ff", "%00", "..", "%2f", "%"])];
        prop_oneof![3 => valid, 1 => invalid].prop_map(move |value| (name.clone(), value)).boxed()
    };
    let declared_in = |place: &'static str| parameters.iter().filter(move |parameter| parameter["in"] == place);
    let segments: Vec<_> = declared_in("path").map(argument).collect();
    let query: Vec<_> = declared_in("query").map(|parameter| option::of(argument(parameter))).collect();
    let undeclared =
        prop_oneof![any_text().prop_map(|text| escaped(&text)), select(&["limit=", "a=1&a=2", "%zz", "&&=&"])];
    (segments, query, option::weighted(0.2, undeclared))
        .prop_map(move |(segments, query, undeclared)| {
            let substitute =
                |target: String, (name, value): &(String, String)| target.replace(&format!("{{{name}}}"), value);
            let target = segments.iter().fold(path.clone(), substitute);
            let query = query.into_iter().flatten().map(|(name, value)| format!("{name}={value}"));
            let query: Vec<_> = query.chain(undeclared).collect();
            if query.is_empty() { target } else { format!("{target}?{}", query.join("&")) }
        })
        .boxed()
}

/// Mostly valid bodies, sometimes mutated ones, sometimes arbitrary bytes.
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
    let valid = of_schema(document, schema, 0).boxed();
    let mutated = (valid.clone(), any_json(), any::<prop::sample::Index>(), any::<bool>())
        .prop_map(|(body, other, at, rename)| mutate(body, other, at, rename));
    prop_oneof![
        6 => valid.prop_map(|value| value.to_string().into_bytes()),
        3 => mutated.prop_map(|value| value.to_string().into_bytes()),
        2 => anything,
    ]
    .boxed()
}

/// Replaces the value of one field, or renames the field to an unknown name.
fn mutate(mut body: Value, other: Value, at: prop::sample::Index, rename: bool) -> Value {
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

/// The text form of a value in a path, a query or a header.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a string never fails");
        }
        out
    })
}
