//! Assertions on contract documents, which are generated from the code and checked in so that reviews
//! show their changes.

use std::collections::BTreeSet;
use std::path::Path;

use common::api::Route;
use platform::http::problem_responses::COMMON_PROBLEMS;
use serde_json::Value;

/// Fails the test if the checked-in document differs from the generated one. With `UPDATE_CONTRACTS=1`,
/// writes the file instead, for intended changes.
pub fn assert_current_or_update(file: &Path, document: &impl serde::Serialize) {
    let document: Value = serde_json::to_value(document).expect("a document");
    let generated = serde_json::to_string_pretty(&document).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        std::fs::write(file, &generated).expect("writing the document");
        return;
    }
    let checked_in = std::fs::read_to_string(file).unwrap_or_default();
    let difference = checked_in.lines().zip(generated.lines()).find(|(old, new)| old != new);
    assert!(
        checked_in == generated,
        "{} is outdated; run the test with UPDATE_CONTRACTS=1 and review the change. First difference: {difference:?}",
        file.display()
    );
}

/// Fails the test if the document does not declare this problem for the operation that returned it. A path or method
/// that is not in the document is not checked.
pub fn assert_problem_documented(document: &Value, method: &str, path: &str, status: u16, problem: &Value) {
    let path = path.split('?').next().unwrap_or_default();
    let matches = |template: &str| {
        let (segments, patterns) = (path.split('/'), template.split('/'));
        segments.clone().count() == patterns.clone().count()
            && segments.zip(patterns).all(|(segment, pattern)| segment == pattern || pattern.starts_with('{'))
    };
    let paths = document["paths"].as_object().into_iter().flatten();
    // Prefer a literal path to a template: /api/users/sessions to /api/users/{id}.
    let found = paths.filter(|(template, _)| matches(template)).min_by_key(|(template, _)| template.contains('{'));
    let Some(operation) = found.and_then(|(_, item)| item.get(method.to_lowercase())) else { return };
    let code = problem["type"].as_str().and_then(|kind| kind.rsplit(':').next()).unwrap_or_default();
    let response = &operation["responses"][status.to_string()]["content"]["application/problem+json"]["schema"];
    let kinds = response.pointer("/allOf/1/properties/type/enum").and_then(Value::as_array);
    let is_declared = match kinds {
        Some(kinds) => kinds.contains(&problem["type"]),
        None => COMMON_PROBLEMS.contains(&(status, code)),
    };
    assert!(is_declared, "{method} {path} returned {status} {code}: declare it with the route in common::api");
}

/// Fails the test if a text or an integer in a request has no bounds or no example.
fn assert_requests_described(document: &Value) {
    let mut missing = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        // The format of webhooks is the provider's.
        let operations = item.as_object().into_iter().flatten().filter(|_| !path.contains("/webhooks/"));
        for (method, operation) in operations {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let at = format!("{method} {path} {}", parameter["name"]);
                find_undescribed(document, &parameter["schema"], !parameter["example"].is_null(), &at, &mut missing);
            }
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            find_undescribed(document, body, false, &format!("{method} {path}"), &mut missing);
        }
    }
    assert!(missing.is_empty(), "add these to the types in common::api:\n{}", missing.join("\n"));
}

/// Adds what the schema lacks to `missing`, each with its place in the document.
fn find_undescribed(document: &Value, schema: &Value, has_example: bool, at: &str, missing: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document.pointer(reference.trim_start_matches('#')).expect("the referenced schema");
        return find_undescribed(document, schema, has_example, at, missing);
    }
    for part in ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| schema[*key].as_array()).flatten() {
        find_undescribed(document, part, has_example, at, missing);
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        find_undescribed(document, property, false, &format!("{at} {name}"), missing);
    }
    let is = |name: &str| {
        schema["type"] == name || schema["type"].as_array().is_some_and(|types| types.iter().any(|it| it == name))
    };
    let has = |key: &str| !schema[key].is_null();
    if !is("string") && !is("integer") {
        return;
    }
    let is_bounded_text = || ["maxLength", "pattern", "format", "enum"].into_iter().any(has);
    let is_bounded = if is("string") { is_bounded_text() } else { has("minimum") && has("maximum") };
    if !is_bounded {
        missing.push(format!("{at}: bounds"));
    }
    if !has_example && !["example", "examples", "enum"].into_iter().any(has) {
        missing.push(format!("{at}: an example"));
    }
}

/// Fails the test if the document and the table of routes differ, or if a request is not described. Public keys and
/// webhooks, which no API client calls, are in the document only.
pub fn assert_routes_documented(document: &impl serde::Serialize, routes: &[Route]) {
    let document = serde_json::to_value(document).expect("a document");
    let paths = document["paths"].as_object().expect("paths");
    let documented: BTreeSet<_> = paths
        .iter()
        .filter(|(path, _)| !path.ends_with("/jwks.json") && !path.contains("/webhooks/"))
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("operations").keys();
            methods.map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let declared: BTreeSet<_> = routes.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(documented, declared);
    assert_requests_described(&document);
}
