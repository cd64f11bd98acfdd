//! The problems that each operation of an `OpenAPI` document can answer with.
//!
//! # Why
//! A client branches on the kind of a problem, so the document names the kinds. Most of them follow from what an
//! operation takes: one with a body answers 415 to what is no JSON. Those of one route alone are declared with it in
//! [`common::api`]. What any request can run into (too many of them, a database that is away) is the `default`
//! response, and named where the operation has other problems of the same status.

use std::collections::BTreeMap;

use common::api::Route;
use common::problem::CONTENT_TYPE;
use http::{Method, StatusCode};
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};

/// What any operation can answer.
pub const COMMON: [(u16, &str); 6] = [
    (403, "cross-site"),
    (429, "rate-limited"),
    (431, "headers-too-large"),
    (500, "internal"),
    (503, "unavailable"),
    (504, "timed-out"),
];

/// Adds the responses with problems to an operation, whose route may have problems of its own.
pub(super) fn add(operation: &mut Operation, method: &Method, route: Option<&Route>) {
    let own = route.map(|route| route.problems).unwrap_or_default();
    let mut problems: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (status, code) in own.iter().copied().chain(implied(operation)) {
        problems.entry(status).or_default().push(code);
    }
    for (status, code) in COMMON {
        let applies = code != "cross-site" || *method != Method::GET;
        if let Some(codes) = problems.get_mut(&status).filter(|codes| applies && !codes.contains(&code)) {
            codes.push(code);
        }
    }
    for (status, codes) in problems {
        let reason =
            StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Problem");
        let response = response(reason, kinds(&codes));
        operation.responses.responses.entry(status.to_string()).or_insert(RefOr::T(response));
    }
    let any = RefOr::Ref(Ref::from_schema_name("Problem"));
    let other = response("Any other problem (RFC 9457).", any);
    operation.responses.responses.entry("default".to_owned()).or_insert(RefOr::T(other));
}

/// The problems that follow from what an operation takes.
fn implied(operation: &Operation) -> Vec<(u16, &'static str)> {
    let parameters: Vec<_> = operation
        .parameters
        .iter()
        .flatten()
        .filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some((&parameter.parameter_in, parameter.name.as_str())),
            RefOr::Ref(_) => None,
        })
        .collect();
    // Unknown query parameters are refused everywhere.
    let mut implied = vec![(400, "invalid")];
    if operation.security.is_some() {
        implied.push((401, "unauthenticated"));
    }
    if parameters.iter().any(|(place, _)| **place == ParameterIn::Path) {
        implied.push((404, "not-found"));
    }
    if parameters.contains(&(&ParameterIn::Header, "Idempotency-Key")) {
        implied.extend([(409, "in-flight"), (422, "idempotency-mismatch")]);
    }
    if parameters.contains(&(&ParameterIn::Header, "If-Match")) {
        implied.push((412, "precondition-failed"));
    }
    if operation.request_body.is_some() {
        implied.extend([(413, "too-large"), (415, "unsupported-media-type")]);
    }
    implied
}

/// The schema of a problem of one of these kinds.
fn kinds(codes: &[&str]) -> RefOr<Schema> {
    let names = codes.iter().map(|code| format!("urn:ticketing:problem:{code}"));
    let kind = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name("Problem"))
        .item(ObjectBuilder::new().property("type", kind).required("type"));
    RefOr::T(Schema::AllOf(schema.build()))
}

fn response(description: &str, schema: RefOr<Schema>) -> utoipa::openapi::Response {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().description(description).content(CONTENT_TYPE, content).build()
}
