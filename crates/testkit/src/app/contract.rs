//! Documents that are generated from the code and checked in, so that a change of them is seen.

use std::collections::BTreeSet;
use std::path::Path;

use common::api::Route;
use platform::http::problem_responses::COMMON;
use serde_json::Value;

/// Fails the test when the checked-in document is not the one that the code now gives.
/// `UPDATE_CONTRACTS=1` writes it anew, for a change that is meant.
pub fn is_current(file: &Path, document: &impl serde::Serialize) {
    let document: Value = serde_json::to_value(document).expect("a document");
    let current = serde_json::to_string_pretty(&document).expect("JSON") + "\n";
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        std::fs::write(file, &current).expect("writing the document");
        return;
    }
    let known = std::fs::read_to_string(file).unwrap_or_default();
    let first = known.lines().zip(current.lines()).find(|(known, current)| known != current);
    assert!(
        known == current,
        "{} is not what the code gives; run the test with UPDATE_CONTRACTS=1 and review the change. First: {first:?}",
        file.display()
    );
}

/// Fails the test when a response has a problem that the document does not name for its operation.
pub fn assert_problem_documented(document: &Value, method: &str, path: &str, status: u16, problem: &Value) {
    let path = path.split('?').next().unwrap_or_default();
    let fits = |template: &str| {
        let (words, parts) = (path.split('/'), template.split('/'));
        words.clone().count() == parts.clone().count()
            && words.zip(parts).all(|(word, part)| word == part || part.starts_with('{'))
    };
    let paths = document["paths"].as_object().into_iter().flatten();
    // A literal path goes before a template: /api/users/sessions before /api/users/{id}.
    let found = paths.filter(|(template, _)| fits(template)).min_by_key(|(template, _)| template.contains('{'));
    let Some(operation) = found.and_then(|(_, item)| item.get(method.to_lowercase())) else { return };
    let code = problem["type"].as_str().and_then(|kind| kind.rsplit(':').next()).unwrap_or_default();
    let response = &operation["responses"][status.to_string()]["content"]["application/problem+json"]["schema"];
    let kinds = response.pointer("/allOf/1/properties/type/enum").and_then(Value::as_array);
    let is_named = match kinds {
        Some(kinds) => kinds.contains(&problem["type"]),
        None => COMMON.contains(&(status, code)),
    };
    assert!(is_named, "{method} {path} answers {status} {code}: declare it with the route in common::api");
}

/// Fails the test when these routes are not the ones of the document. What no client of the API calls is in the
/// document alone: keys, and what providers post.
pub fn has_routes(document: &impl serde::Serialize, routes: &[Route]) {
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
