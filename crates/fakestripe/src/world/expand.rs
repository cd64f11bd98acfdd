//! `expand[]`: ids in an answer replaced by the objects that they name.

use serde_json::Value;

use crate::world::World;

/// Expands each dotted path; `data` steps into a list. Paths that lead nowhere are let be.
pub(crate) fn expand(world: &World, answer: &mut Value, paths: &[String]) {
    for path in paths {
        let parts: Vec<&str> = path.split('.').take(4).collect();
        walk(world, answer, &parts);
    }
}

fn walk(world: &World, value: &mut Value, path: &[&str]) {
    if let Value::Array(items) = value {
        for item in items {
            walk(world, item, path);
        }
        return;
    }
    let [first, rest @ ..] = path else { return };
    let Some(field) = value.get_mut(*first) else {
        return;
    };
    if let Some(object) = field.as_str().and_then(|id| world.object(id)) {
        *field = object;
    }
    walk(world, field, rest);
}
