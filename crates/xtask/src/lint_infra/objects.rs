//! Kubernetes objects as parsed documents, and the small words that rules read them with.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize as _;
use serde_json::Value;

/// The objects of one rendered overlay.
#[derive(Debug, Default)]
pub(super) struct Objects(Vec<Value>);

impl Objects {
    /// Reads a stream of YAML documents.
    pub(super) fn parse(yaml: &str) -> Result<Self> {
        let documents = serde_yaml_ng::Deserializer::from_str(yaml).map(Value::deserialize);
        let documents = documents.collect::<Result<Vec<_>, _>>().context("it is no YAML of plain values")?;
        Ok(Self(documents.into_iter().filter(|document| !document.is_null()).collect()))
    }

    /// Every object.
    pub(super) fn all(&self) -> impl Iterator<Item = &Value> {
        self.0.iter()
    }

    /// Every object, to change it.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.0.iter_mut()
    }

    /// Those of one kind.
    pub(super) fn of(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |object| text(object, "/kind") == kind)
    }

    /// The one of this kind and name.
    pub(super) fn find(&self, kind: &str, wanted: &str) -> Option<&Value> {
        self.of(kind).find(|object| name(object) == wanted)
    }

    /// The namespace that the objects live in, as the first one that names one has it.
    pub(super) fn namespace(&self) -> &str {
        let mut named = self.0.iter().map(|object| text(object, "/metadata/namespace"));
        named.find(|namespace| !namespace.is_empty()).unwrap_or_default()
    }
}

/// The text at this place, empty where there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The list at this place, empty where there is none.
pub(super) fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The texts of the map at this place; whatever is not text is left out.
pub(super) fn texts<'a>(object: &'a Value, pointer: &str) -> BTreeMap<&'a str, &'a str> {
    let map = object.pointer(pointer).and_then(Value::as_object);
    map.into_iter().flatten().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}

/// The object's name.
pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// How messages call it: `Deployment orders`.
pub(super) fn called(object: &Value) -> String {
    format!("{} {}", text(object, "/kind"), name(object))
}

/// The number at this place, if it is one that a port can have.
pub(super) fn port(object: &Value, pointer: &str) -> Option<u16> {
    object.pointer(pointer).and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok())
}

/// Whether a label selector picks something with these labels. An empty one picks everything.
pub(super) fn selects(selector: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    let equal = texts(selector, "/matchLabels").iter().all(|(key, value)| labels.get(key) == Some(value));
    let expressions = list(selector, "/matchExpressions");
    equal
        && expressions.iter().all(|expression| {
            let value = labels.get(text(expression, "/key"));
            let is_listed = value.is_some_and(|value| list(expression, "/values").iter().any(|one| one == value));
            match text(expression, "/operator") {
                "In" => is_listed,
                "NotIn" => !is_listed,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_read_and_found() {
        let yaml = "kind: A\nmetadata: {name: x, namespace: shop}\n---\n---\nkind: B\nmetadata: {name: x}\n";
        let objects = Objects::parse(yaml).unwrap();
        assert_eq!(objects.all().map(called).collect::<Vec<_>>(), ["A x", "B x"]);
        assert!(objects.find("B", "x").is_some() && objects.find("B", "y").is_none());
        assert_eq!(objects.namespace(), "shop");
        assert!(Objects::parse("a: [").is_err());
    }

    #[test]
    fn selectors_select_as_kubernetes_does() {
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
