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

/// Fails the test if the document does not declare this problem for the operation that returned it.
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

/// Fails the test if the document and the table of routes differ. The routes that no API client calls,
/// those of the public keys and of the providers' webhooks, are in the document only.
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
}
