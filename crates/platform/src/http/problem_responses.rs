//! Adds to each operation of an `OpenAPI` document the problems that it can return.
//!
//! # Why
//! A client branches on the type of a problem, so the document lists the types. Most are derived from the operation's
//! inputs: an operation with a body can return 415. Those that are specific to a route are declared with it in
//! [`common::api`]. Problems that any request may get, such as a rate limit or a database outage, are the `default`
//! response; they are only listed where the operation has other problems with the same status.

use std::collections::BTreeMap;

use common::api::Route;
use common::problem::CONTENT_TYPE;
use http::{Method, StatusCode};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::schema::{AllOfBuilder, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};

/// Problems that any operation can return.
pub const COMMON_PROBLEMS: [(u16, &str); 6] = [
    (403, "cross-site"),
    (429, "rate-limited"),
    (431, "headers-too-large"),
    (500, "internal"),
    (503, "unavailable"),
    (504, "timed-out"),
];

/// Adds the problem responses to an operation: the declared problems of `route`, and the derived ones.
pub(super) fn add(operation: &mut Operation, method: &Method, route: Option<&Route>) {
    let declared = route.map(|route| route.problems).unwrap_or_default();
    let mut problems: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for (status, code) in declared.iter().copied().chain(derived(operation)) {
        problems.entry(status).or_default().push(code);
    }
    for (status, code) in COMMON_PROBLEMS {
        let applies = code != "cross-site" || *method != Method::GET;
        if let Some(codes) = problems.get_mut(&status).filter(|codes| applies && !codes.contains(&code)) {
            codes.push(code);
        }
    }
    for (status, codes) in problems {
        let reason =
            StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Problem");
        let response = response(reason, problem_schema(&codes));
        operation.responses.responses.entry(status.to_string()).or_insert(RefOr::T(response));
    }
    let any = RefOr::Ref(Ref::from_schema_name("Problem"));
    let other = response("Any other problem (RFC 9457).", any);
    operation.responses.responses.entry("default".to_owned()).or_insert(RefOr::T(other));
}

/// The problems that follow from an operation's inputs.
fn derived(operation: &Operation) -> Vec<(u16, &'static str)> {
    let has = |place: ParameterIn, name: Option<&str>| {
        let is_it = |it: &Parameter| it.parameter_in == place && name.is_none_or(|name| it.name == name);
        operation.parameters.iter().flatten().any(|parameter| matches!(parameter, RefOr::T(it) if is_it(it)))
    };
    // An empty requirement means that the operation also serves anonymous requests.
    let anonymous = SecurityRequirement::default();
    let requires_security = operation.security.as_ref().is_some_and(|accepted| !accepted.contains(&anonymous));
    let rules: [(bool, &[(u16, &'static str)]); 6] = [
        // Unknown query parameters are rejected everywhere.
        (true, &[(400, "invalid")]),
        (requires_security, &[(401, "unauthenticated")]),
        (has(ParameterIn::Path, None), &[(404, "not-found")]),
        (has(ParameterIn::Header, Some("Idempotency-Key")), &[(409, "in-flight"), (422, "idempotency-mismatch")]),
        (has(ParameterIn::Header, Some("If-Match")), &[(412, "precondition-failed")]),
        (operation.request_body.is_some(), &[(413, "too-large"), (415, "unsupported-media-type")]),
    ];
    rules.into_iter().filter(|(applies, _)| *applies).flat_map(|(_, problems)| problems.iter().copied()).collect()
}

/// The schema of a problem with one of these codes.
fn problem_schema(codes: &[&str]) -> RefOr<Schema> {
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
