//! Kubernetes objects as parsed documents, and the accessors that rules read them with.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize as _;
use serde_json::Value;

/// The objects of one rendered overlay.
#[derive(Debug, Default)]
pub(crate) struct Objects(Vec<Value>);

impl Objects {
    /// Parses a stream of YAML documents.
    pub(crate) fn parse(yaml: &str) -> Result<Self> {
        let documents = serde_yaml_ng::Deserializer::from_str(yaml).map(Value::deserialize);
        let documents = documents.collect::<Result<Vec<_>, _>>().context("invalid YAML")?;
        Ok(Self(documents.into_iter().filter(|document| !document.is_null()).collect()))
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }

    pub(crate) fn all_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.0.iter_mut()
    }

    pub(crate) fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| text(object, "/kind") == kind)
    }

    pub(crate) fn find(&self, kind: &str, object_name: &str) -> Option<&Value> {
        self.of(kind).find(|object| name(object) == object_name)
    }

    /// The namespace of the first object that has one.
    pub(crate) fn namespace(&self) -> &str {
        let mut namespaces = self.0.iter().map(|object| text(object, "/metadata/namespace"));
        namespaces.find(|namespace| !namespace.is_empty()).unwrap_or_default()
    }
}

/// The string at a pointer; empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The value at a pointer; null if there is none.
pub(crate) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// The values at a pointer in which `*` stands for every item of a list.
pub(crate) fn each<'a>(value: &'a Value, pattern: &str) -> Vec<&'a Value> {
    let Some((list, rest)) = pattern.split_once("/*") else { return value.pointer(pattern).into_iter().collect() };
    at(value, list).as_array().into_iter().flatten().flat_map(|item| each(item, rest)).collect()
}

/// The entries of the map at a pointer whose values are strings.
pub(crate) fn texts<'a>(value: &'a Value, pointer: &str) -> BTreeMap<&'a str, &'a str> {
    let map = at(value, pointer).as_object();
    map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}

pub(crate) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// The object as messages name it: `Deployment orders`.
pub(crate) fn display(object: &Value) -> String {
    format!("{} {}", text(object, "/kind"), name(object))
}

/// The value as text, a string without quotes.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// The value as a port number.
pub(crate) fn port(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|port| u16::try_from(port).ok())
}

/// Whether a label selector matches these labels. An empty selector matches everything.
pub(crate) fn selects(selector: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    let has_labels = texts(selector, "/matchLabels").iter().all(|(key, value)| labels.get(key) == Some(value));
    let meets = |expression: &&Value| {
        let value = labels.get(text(expression, "/key"));
        let is_listed = value.is_some_and(|value| each(expression, "/values/*").iter().any(|one| *one == value));
        match text(expression, "/operator") {
            "In" => is_listed,
            "NotIn" => !is_listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    };
    has_labels && each(selector, "/matchExpressions/*").iter().all(meets)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_parsed_and_found() {
        let yaml = "kind: A\nmetadata: {name: x, namespace: shop}\n---\n---\nkind: B\nmetadata: {name: x}\n";
        let objects = Objects::parse(yaml).unwrap();
        assert_eq!(objects.all().map(display).collect::<Vec<_>>(), ["A x", "B x"]);
        assert!(objects.find("B", "x").is_some() && objects.find("B", "y").is_none());
        assert_eq!(objects.namespace(), "shop");
        assert!(Objects::parse("a: [").is_err());
    }

    #[test]
    fn selectors_match_as_in_kubernetes() {
        let labels = BTreeMap::from([("app", "web"), ("tier", "front")]);
        let cases = [
            (json!({}), true),
            (json!({ "matchLabels": { "app": "web" } }), true),
            (json!({ "matchLabels": { "app": "web", "tier": "back" } }), false),
            (json!({ "matchExpressions": [{ "key": "app", "operator": "In", "values": ["web", "auth"] }] }), true),
            (json!({ "matchExpressions": [{ "key": "app", "operator": "NotIn", "values": ["web"] }] }), false),
            (json!({ "matchExpressions": [{ "key": "job", "operator": "DoesNotExist" }] }), true),
            (json!({ "matchExpressions": [{ "key": "job", "operator": "Exists" }] }), false),
        ];
        for (selector, expected) in cases {
            assert_eq!(selects(&selector, &labels), expected, "{selector}");
        }
    }
}
