//! A minimal JSON Schema validator for the keywords that our generated schemas use.
//!
//! # Why
//! A full implementation would add two dozen crates. This one panics on an unknown keyword, so none is silently
//! ignored.

use serde_json::Value;

/// The first violation of the schema, with the path of the invalid value.
pub(crate) fn first_violation(schema: &Value, value: &Value, root: &Value) -> Option<String> {
    violation_at(schema, value, root, "$")
}

fn violation_at(schema: &Value, value: &Value, root: &Value, path: &str) -> Option<String> {
    if let Value::Bool(all) = schema {
        return (!all).then(|| format!("{path} is not allowed"));
    }
    let schema = schema.as_object().expect("a schema is an object");
    schema.iter().find_map(|(keyword, rule)| match keyword.as_str() {
        "$schema" | "$defs" | "title" | "description" | "default" | "examples" => None,
        "$ref" => {
            let pointer = rule.as_str().and_then(|text| text.strip_prefix('#')).expect("a reference into the document");
            let target = root.pointer(pointer).unwrap_or_else(|| panic!("{pointer} does not resolve"));
            violation_at(target, value, root, path)
        }
        "type" => {
            let types = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
            let is_valid = types.iter().any(|name| has_type(name.as_str().expect("a type"), value));
            (!is_valid).then(|| format!("{path} is not of type {rule}: {value}"))
        }
        "const" => (rule != value).then(|| format!("{path} is not {rule}: {value}")),
        "enum" => {
            let known = rule.as_array().expect("values").contains(value);
            (!known).then(|| format!("{path} is none of {rule}: {value}"))
        }
        "required" => {
            let names = rule.as_array().expect("names").iter().map(|name| name.as_str().expect("a name"));
            let mut missing = names.filter(|name| value.is_object() && value.get(name).is_none());
            missing.next().map(|name| format!("{path}.{name} is missing"))
        }
        "properties" => rule.as_object().expect("properties").iter().find_map(|(name, rule)| {
            let property = value.get(name)?;
            violation_at(rule, property, root, &format!("{path}.{name}"))
        }),
        "additionalProperties" => {
            assert_eq!(rule, &Value::Bool(false), "{path}");
            let known = schema.get("properties").and_then(Value::as_object).expect("properties");
            let mut unknown = value.as_object()?.keys().filter(|name| !known.contains_key(*name));
            unknown.next().map(|name| format!("{path}.{name} is unknown"))
        }
        "items" => value
            .as_array()?
            .iter()
            .enumerate()
            .find_map(|(n, item)| violation_at(rule, item, root, &format!("{path}[{n}]"))),
        "anyOf" | "oneOf" => {
            let violations: Vec<_> =
                rule.as_array().expect("schemas").iter().map(|rule| violation_at(rule, value, root, path)).collect();
            let matching = violations.iter().filter(|violation| violation.is_none()).count();
            let is_valid = if keyword == "anyOf" { matching > 0 } else { matching == 1 };
            (!is_valid).then(|| format!("{path} matches {matching} of the alternatives: {violations:?}"))
        }
        "maximum" => (value.as_f64()? > rule.as_f64().expect("a number")).then(|| format!("{path} is too large")),
        "minimum" => (value.as_f64()? < rule.as_f64().expect("a number")).then(|| format!("{path} is too small")),
        "format" => {
            let text = value.as_str();
            let is_valid = match rule.as_str().expect("a format") {
                "uuid" => text.is_none_or(|text| text.parse::<common::id::EventId>().is_ok()),
                "date-time" => text.is_none_or(|text| text.parse::<common::timestamp::Timestamp>().is_ok()),
                "int64" => value.as_f64().is_none_or(|_| value.is_i64()),
                "uint64" => value.as_f64().is_none_or(|_| value.is_u64()),
                "uint8" => value.as_f64().is_none_or(|_| value.as_u64().is_some_and(|number| number <= 0xff)),
                other => panic!("{path}: the format {other} is not supported"),
            };
            (!is_valid).then(|| format!("{path} does not have the format {rule}: {value}"))
        }
        "pattern" => {
            assert_eq!(rule, "^[A-Z]{3}$", "{path}: only the pattern of currencies is supported");
            let is_valid =
                value.as_str().is_none_or(|text| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()));
            (!is_valid).then(|| format!("{path} is not a currency: {value}"))
        }
        other => panic!("{path}: the keyword {other} is not supported"),
    })
}

fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not supported"),
    }
}
