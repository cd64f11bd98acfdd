//! Compatibility check of the JSON schemas of event payloads: a later release may only add optional fields to `v1`.

use serde_json::Value;

/// Returns a sentence for each change that breaks programs which rely on the older schema.
pub(crate) fn incompatibilities(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk((old, old), (new, new), "data", &mut found);
    found
}

/// A schema, and the document that its references point into.
type SchemaInDocument<'a> = (&'a Value, &'a Value);

fn walk(old: SchemaInDocument<'_>, new: SchemaInDocument<'_>, path: &str, found: &mut Vec<String>) {
    let ((old, old_root), (new, new_root)) = (resolve(old), resolve(new));
    if types(old) != types(new) {
        found.push(format!("{path} changed its type from {:?} to {:?}", types(old), types(new)));
        return;
    }
    // Readers of a closed schema would reject the fields that a later release adds, so the new schema must not be
    // closed. It may be open where the older one was closed.
    let is_closed = |schema: &Value| schema.get("additionalProperties") == Some(&Value::Bool(false));
    if is_closed(new) {
        found.push(format!("{path} rejects unknown fields"));
    }
    let compared = ["format", "pattern", "const", "minimum", "additionalProperties"];
    for key in compared.into_iter().filter(|key| *key != "additionalProperties" || !(is_closed(old) || is_closed(new)))
    {
        if old.get(key) != new.get(key) {
            let shown = |value: Option<&Value>| value.map_or("nothing".to_owned(), ToString::to_string);
            found.push(format!("{path} changed its {key} from {} to {}", shown(old.get(key)), shown(new.get(key))));
        }
    }
    for name in required(new).iter().filter(|name| !required(old).contains(name)) {
        found.push(format!("{path}.{name} became required"));
    }
    for name in required(old).iter().filter(|name| !required(new).contains(name)) {
        found.push(format!("{path}.{name} is no longer required"));
    }
    let empty = serde_json::Map::new();
    let properties = |schema: &'_ Value| schema.get("properties").and_then(Value::as_object).cloned();
    let (before, after) = (properties(old).unwrap_or_default(), properties(new).unwrap_or(empty));
    for (name, before) in &before {
        match after.get(name) {
            None => found.push(format!("{path}.{name} was removed")),
            Some(after) => walk((before, old_root), (after, new_root), &format!("{path}.{name}"), found),
        }
    }
    // A new field may have any schema that is not closed. Comparing a schema with itself finds closed ones only.
    for (name, added) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
        walk((added, new_root), (added, new_root), &format!("{path}.{name}"), found);
    }
    match (old.get("items"), new.get("items")) {
        (Some(before), Some(after)) => walk((before, old_root), (after, new_root), &format!("{path}[]"), found),
        (None, None) => {}
        _ => found.push(format!("{path}[] changed its items")),
    }
    alternatives((old, old_root), (new, new_root), path, found);
}

/// Compares the values of enumerations and the alternatives of `anyOf` and `oneOf`. None may be removed. None may be
/// added either, because readers of the older schema don't know it.
fn alternatives(old: SchemaInDocument<'_>, new: SchemaInDocument<'_>, path: &str, found: &mut Vec<String>) {
    let ((old, old_root), (new, new_root)) = (old, new);
    let (before, after) = (values(old), values(new));
    for value in before.iter().filter(|value| !after.contains(value)) {
        found.push(format!("{path} lost the value {value}"));
    }
    for value in after.iter().filter(|value| !before.contains(value)) {
        found.push(format!("{path} gained the value {value}, which readers of v1 reject"));
    }
    for key in ["anyOf", "oneOf"] {
        let choices = |schema: &Value| schema.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        let plain = |schema: &Value| schema.get("const").is_none() && schema.get("enum").is_none();
        let before: Vec<_> = choices(old).into_iter().filter(plain).collect();
        let after: Vec<_> = choices(new).into_iter().filter(plain).collect();
        if before.len() == after.len() {
            for (before, after) in before.iter().zip(&after) {
                walk((before, old_root), (after, new_root), path, found);
            }
        } else {
            found.push(format!("{path} changed its alternatives"));
        }
    }
}

fn resolve((schema, root): SchemaInDocument<'_>) -> SchemaInDocument<'_> {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
    (target.map_or(schema, |pointer| root.pointer(pointer).expect("a known reference")), root)
}

fn types(schema: &Value) -> Vec<String> {
    let types = match schema.get("type") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect(),
        _ => Vec::new(),
    };
    let mut types = types;
    types.sort();
    types
}

fn required(schema: &Value) -> Vec<String> {
    let names = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    names.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

/// The values of `enum`, and those of the alternatives in `oneOf` that are constants or enumerations.
fn values(schema: &Value) -> Vec<Value> {
    let mut values = schema.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
    for choice in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        values.extend(choice.get("const").cloned());
        values.extend(choice.get("enum").and_then(Value::as_array).cloned().unwrap_or_default());
    }
    values
}

/// A change of a schema.
type Edit = fn(&mut Value);

#[test]
fn only_added_optional_fields_are_compatible() {
    let old = serde_json::json!({
        "type": "object",
        "required": ["id", "price", "status"],
        "properties": {
            "id": { "type": "string", "format": "uuid" },
            "city": { "type": ["string", "null"] },
            "price": { "$ref": "#/$defs/Money" },
            "status": { "oneOf": [{ "const": "open", "type": "string" }, { "const": "shut", "type": "string" }] },
            "tags": { "type": "array", "items": { "type": "string" } },
        },
        "$defs": { "Money": {
            "type": "object", "required": ["amount"], "properties": { "amount": { "type": "integer" } },
        } },
    });
    let allowed: [(&str, Edit); 4] = [
        ("nothing", |_| {}),
        ("an optional field", |s| s["properties"]["row"] = serde_json::json!({ "type": ["string", "null"] })),
        ("a nested optional field", |s| s["$defs"]["Money"]["properties"]["tax"] = serde_json::json!({})),
        ("an optional object", |s| s["properties"]["fee"] = serde_json::json!({ "$ref": "#/$defs/Money" })),
    ];
    for (what, edit) in allowed {
        let mut new = old.clone();
        edit(&mut new);
        assert_eq!(incompatibilities(&old, &new), [""; 0], "{what}");
    }
    let rejected: [(Edit, &str); 14] = [
        (|s| s["required"] = serde_json::json!(["id", "price", "status", "city"]), "data.city became required"),
        (|s| s["required"] = serde_json::json!(["id", "price"]), "data.status is no longer required"),
        (|s| s["properties"]["city"] = serde_json::json!({ "type": "string" }), "data.city changed its type"),
        (|s| drop(s["properties"].as_object_mut().unwrap().remove("city")), "data.city was removed"),
        (|s| s["properties"]["id"]["format"] = serde_json::json!("uri"), "data.id changed its format"),
        (|s| s["$defs"]["Money"]["properties"] = serde_json::json!({}), "data.price.amount was removed"),
        (
            |s| s["$defs"]["Money"]["properties"]["amount"]["type"] = serde_json::json!("string"),
            "data.price.amount changed",
        ),
        (|s| s["properties"]["status"]["oneOf"][1]["const"] = serde_json::json!("lost"), "data.status lost the value"),
        (
            |s| s["properties"]["status"]["oneOf"].as_array_mut().unwrap().push(serde_json::json!({ "const": "new" })),
            "data.status gained the value",
        ),
        (|s| s["properties"]["tags"]["items"]["type"] = serde_json::json!("integer"), "data.tags[] changed its type"),
        (|s| s["additionalProperties"] = serde_json::json!(false), "data rejects unknown fields"),
        (|s| s["$defs"]["Money"]["additionalProperties"] = false.into(), "data.price rejects unknown fields"),
        (
            |s| s["properties"]["fees"] = serde_json::json!({ "items": { "additionalProperties": false } }),
            "data.fees[] rejects unknown fields",
        ),
        (
            |s| s["additionalProperties"] = serde_json::json!({ "type": "string" }),
            "data changed its additionalProperties",
        ),
    ];
    for (edit, expected) in rejected {
        let mut new = old.clone();
        edit(&mut new);
        let found = incompatibilities(&old, &new);
        assert!(found.iter().any(|change| change.starts_with(expected)), "{expected}: {found:?}");
    }
}

#[test]
fn closed_object_may_be_opened_but_not_stay_closed() {
    let open = serde_json::json!({ "type": "object", "properties": {} });
    let closed = serde_json::json!({ "type": "object", "properties": {}, "additionalProperties": false });
    assert_eq!(incompatibilities(&closed, &open), [""; 0]);
    assert_eq!(incompatibilities(&closed, &closed), ["data rejects unknown fields"]);
}
