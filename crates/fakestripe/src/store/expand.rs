//! `expand[]`: replaces ids in a response by the objects.

use serde_json::Value;

use crate::store::Store;

/// Expands each dotted path, up to Stripe's maximum depth of four; `data` steps into a list. Paths that do not resolve
/// are ignored.
pub(crate) fn expand(store: &Store, response: &mut Value, paths: &[String]) {
    for path in paths {
        let parts: Vec<&str> = path.split('.').take(4).collect();
        walk(store, response, &parts);
    }
}

fn walk(store: &Store, value: &mut Value, path: &[&str]) {
    if let Value::Array(items) = value {
        for item in items {
            walk(store, item, path);
        }
        return;
    }
    let [first, rest @ ..] = path else { return };
    let Some(field) = value.get_mut(*first) else {
        return;
    };
    if let Some(object) = field.as_str().and_then(|id| store.object(id)) {
        *field = object;
    }
    walk(store, field, rest);
}
