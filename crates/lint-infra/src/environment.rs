//! The environment variables of containers, with their values where the rendered objects contain them, and the
//! content of `ConfigMaps` and Secrets, whatever kind of object provides it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::objects::{Objects, at, each, name, text, texts};

/// Values by variable or key; `None` is a value that only the cluster knows.
pub(crate) type Values = BTreeMap<String, Option<String>>;

/// The placeholder for a part of a value that only the cluster knows.
const UNKNOWN: &str = "unknown";

/// The content of a `ConfigMap` or Secret.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) keys: Values,
    /// Whether there may be further keys, because the provider copies a whole entry of its secret store.
    pub(crate) has_unknown_keys: bool,
}

/// The content of the `ConfigMap` or Secret of this name. A Secret is made from its own data, or by an
/// `ExternalSecret`, a `SealedSecret` or a Certificate.
pub(crate) fn content(objects: &Objects, kind: &str, object_name: &str) -> Option<Content> {
    if kind == "ConfigMap" {
        return objects.find(kind, object_name).map(|map| Content {
            keys: [known(map, "/data"), unknown(texts(map, "/binaryData").into_keys())].into_iter().flatten().collect(),
            has_unknown_keys: false,
        });
    }
    let provided = objects.all().filter(|object| secret_name(object) == Some(object_name)).map(secret);
    provided.reduce(|one, other| Content {
        keys: one.keys.into_iter().chain(other.keys).collect(),
        has_unknown_keys: one.has_unknown_keys || other.has_unknown_keys,
    })
}

/// The name of the Secret that an object provides, if it provides one.
pub(crate) fn secret_name(object: &Value) -> Option<&str> {
    let explicit = match text(object, "/kind") {
        "Secret" => "",
        "ExternalSecret" => text(object, "/spec/target/name"),
        "SealedSecret" => text(object, "/spec/template/metadata/name"),
        "Certificate" => return Some(text(object, "/spec/secretName")),
        _ => return None,
    };
    Some(if explicit.is_empty() { name(object) } else { explicit })
}

/// The content of the Secret that an object provides.
pub(crate) fn secret(object: &Value) -> Content {
    let decode = |value: &str| {
        // A long value may span lines.
        let value: String = value.split_whitespace().collect();
        BASE64.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok())
    };
    let keys = match text(object, "/kind") {
        "ExternalSecret" => return external(object),
        "SealedSecret" => unknown(texts(object, "/spec/encryptedData").into_keys()),
        "Certificate" => unknown(["tls.crt", "tls.key", "ca.crt"]),
        _ => {
            let data = texts(object, "/data").into_iter().map(|(key, value)| (key.to_owned(), decode(value)));
            data.chain(known(object, "/stringData")).collect()
        }
    };
    Content { keys, has_unknown_keys: false }
}

/// The content that an `ExternalSecret` provides. A template replaces the fetched values unless it is merged with them.
fn external(object: &Value) -> Content {
    let template = texts(object, "/spec/target/template/data");
    let is_whole = !template.is_empty() && text(object, "/spec/target/template/mergePolicy") != "Merge";
    let mut keys = Values::new();
    if !is_whole {
        keys.extend(unknown(each(object, "/spec/data/*").into_iter().map(|entry| text(entry, "/secretKey"))));
    }
    keys.extend(template.into_iter().map(|(key, value)| (key.to_owned(), Some(without_placeholders(value)))));
    Content { keys, has_unknown_keys: !is_whole && !each(object, "/spec/dataFrom/*").is_empty() }
}

/// Replaces the placeholders of fetched values, such as `{{ .password | urlquery }}`, by [`UNKNOWN`].
fn without_placeholders(template: &str) -> String {
    let mut parts = template.split("{{");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + UNKNOWN + part.split_once("}}").map_or("", |(_, after)| after))
}

fn known(object: &Value, pointer: &str) -> Values {
    texts(object, pointer).into_iter().map(|(key, value)| (key.to_owned(), Some(value.to_owned()))).collect()
}

fn unknown<'a>(keys: impl IntoIterator<Item = &'a str>) -> Values {
    keys.into_iter().map(|key| (key.to_owned(), None)).collect()
}

/// The environment variables of a container. Dangling references are left out: another rule reports them.
pub(crate) fn variables(container: &Value, objects: &Objects) -> Values {
    let mut variables = Values::new();
    for source in each(container, "/envFrom/*") {
        for (kind, name) in [("ConfigMap", "/configMapRef/name"), ("Secret", "/secretRef/name")] {
            let keys = content(objects, kind, text(source, name)).unwrap_or_default().keys.into_iter();
            variables.extend(keys.map(|(key, value)| (format!("{}{key}", text(source, "/prefix")), value)));
        }
    }
    for variable in each(container, "/env/*") {
        let from = |kind, reference: &Value| {
            let Content { keys, has_unknown_keys } = content(objects, kind, text(reference, "/name"))?;
            keys.get(text(reference, "/key")).cloned().or(has_unknown_keys.then_some(None))
        };
        let source = at(variable, "/valueFrom");
        let value = match (source.get("configMapKeyRef"), source.get("secretKeyRef")) {
            (Some(reference), _) => from("ConfigMap", reference),
            (_, Some(reference)) => from("Secret", reference),
            _ if source.is_object() => Some(None),
            _ => Some(Some(expanded(text(variable, "/value"), &variables))),
        };
        variables.extend(value.map(|value| (text(variable, "/name").to_owned(), value)));
    }
    variables
}

/// Replaces each `$(NAME)` by the value of the variable, which must be defined before.
fn expanded(value: &str, variables: &Values) -> String {
    variables.iter().fold(value.to_owned(), |text, (name, value)| {
        text.replace(&format!("$({name})"), value.as_deref().unwrap_or(UNKNOWN))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OBJECTS: &str = "
kind: ConfigMap
metadata: {name: fleet}
data: {LOG: info}
---
kind: Secret
metadata: {name: plain}
data: {KEY: 'c2Vj cmV0'}
stringData: {URL: 'redis://redis'}
---
kind: ExternalSecret
metadata: {name: templated}
spec:
  target: {template: {data: {URL: 'mongodb://a:{{ .password | urlquery }}@mongodb:27017/'}}}
  data: [{secretKey: password}]
---
kind: ExternalSecret
metadata: {name: whatever}
spec:
  target: {name: open}
  data: [{secretKey: known}]
  dataFrom: [{extract: {key: x}}]
---
kind: Certificate
metadata: {name: c}
spec: {secretName: tls}
---
kind: SealedSecret
metadata: {name: sealed}
spec: {encryptedData: {KEY: abc}}
";

    #[test]
    fn every_provider_of_a_secret_determines_its_content() {
        let objects = Objects::parse(OBJECTS).unwrap();
        let keys = |name| content(&objects, "Secret", name).map(|content| content.keys.into_iter().collect::<Vec<_>>());
        let known = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        assert_eq!(keys("plain").unwrap(), [known("KEY", "secret"), known("URL", "redis://redis")]);
        assert_eq!(keys("templated").unwrap(), [known("URL", "mongodb://a:unknown@mongodb:27017/")]);
        assert_eq!(keys("open").unwrap(), [("known".to_owned(), None)]);
        assert_eq!(keys("sealed").unwrap(), [("KEY".to_owned(), None)]);
        assert!(content(&objects, "Secret", "open").unwrap().has_unknown_keys);
        assert_eq!(keys("tls").unwrap().len(), 3);
        assert_eq!(keys("none"), None);
    }

    #[test]
    fn later_variables_win_and_expand_earlier_ones() {
        let objects = Objects::parse(OBJECTS).unwrap();
        let container = Objects::parse(
            "
envFrom: [{configMapRef: {name: fleet}}, {secretRef: {name: plain}, prefix: P_}]
env:
  - {name: LOG, value: debug}
  - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  - {name: SAID, value: 'log $(LOG)'}
  - {name: MONGODB_URL, valueFrom: {secretKeyRef: {name: templated, key: URL}}}
  - {name: LATER, valueFrom: {secretKeyRef: {name: open, key: any}}}
  - {name: NONE, valueFrom: {secretKeyRef: {name: plain, key: any}}}
",
        )
        .unwrap();
        let variables = variables(container.all().next().unwrap(), &objects);
        assert_eq!(variables["LOG"].as_deref(), Some("debug"));
        assert_eq!(variables["P_KEY"].as_deref(), Some("secret"));
        assert_eq!(variables["SAID"].as_deref(), Some("log debug"));
        assert_eq!(variables["MONGODB_URL"].as_deref(), Some("mongodb://a:unknown@mongodb:27017/"));
        assert_eq!((&variables["IP"], &variables["LATER"]), (&None, &None));
        assert!(!variables.contains_key("NONE"));
    }
}
