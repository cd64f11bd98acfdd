//! What a container's environment variables will be, as far as rendered objects can tell; and what
//! `ConfigMaps` and Secrets hold, whoever provides them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::objects::{Objects, list, text, texts};

/// The value of a variable or key: `None` is one that only the cluster will know.
pub(super) type Known = Option<String>;

/// What a `ConfigMap` or Secret holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Content {
    /// Key by key.
    pub(super) keys: BTreeMap<String, Known>,
    /// Whether there may be others: a provider that hands over whatever its store has.
    pub(super) is_open: bool,
}

/// What the `ConfigMap` of this name holds, if there is one.
pub(super) fn config_map(objects: &Objects, name: &str) -> Option<Content> {
    let object = objects.find("ConfigMap", name)?;
    let keys = texts(object, "/data").into_iter().map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
    let binary = texts(object, "/binaryData").into_keys().map(|key| (key.to_owned(), None));
    Some(Content { keys: keys.chain(binary).collect(), is_open: false })
}

/// What the Secret of this name will hold: a Secret's own data, or what an `ExternalSecret`, a
/// `SealedSecret` or a Certificate makes it from.
pub(super) fn secret(objects: &Objects, name: &str) -> Option<Content> {
    let made = objects.all().filter_map(|object| match text(object, "/kind") {
        "Secret" => (text(object, "/metadata/name") == name).then(|| plain(object)),
        "ExternalSecret" => (external_name(object) == name).then(|| external(object)),
        "SealedSecret" => (sealed_name(object) == name).then(|| sealed(object)),
        "Certificate" => (text(object, "/spec/secretName") == name).then(certificate),
        _ => None,
    });
    made.reduce(|mut one, other| {
        one.keys.extend(other.keys);
        one.is_open |= other.is_open;
        one
    })
}

pub(super) fn plain(object: &Value) -> Content {
    let decode = |value: &str| {
        // A long value is written in several lines.
        let value: String = value.split_whitespace().collect();
        BASE64.decode(value).ok().and_then(|bytes| String::from_utf8(bytes).ok())
    };
    let data = texts(object, "/data").into_iter().map(|(key, value)| (key.to_owned(), decode(value)));
    let open = texts(object, "/stringData").into_iter().map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
    Content { keys: data.chain(open).collect(), is_open: false }
}

pub(super) fn external_name(object: &Value) -> &str {
    let named = text(object, "/spec/target/name");
    if named.is_empty() { text(object, "/metadata/name") } else { named }
}

/// A template replaces what was fetched, unless it says that it is merged with it.
fn external(object: &Value) -> Content {
    let template = texts(object, "/spec/target/template/data");
    let mut keys: BTreeMap<_, _> =
        template.iter().map(|(key, value)| ((*key).to_owned(), Some(without_placeholders(value)))).collect();
    let is_whole = !template.is_empty() && text(object, "/spec/target/template/mergePolicy") != "Merge";
    if !is_whole {
        for one in list(object, "/spec/data") {
            keys.entry(text(one, "/secretKey").to_owned()).or_insert(None);
        }
    }
    Content { keys, is_open: !is_whole && !list(object, "/spec/dataFrom").is_empty() }
}

/// `{{ .password | urlquery }}` in a template stands for what is fetched later.
fn without_placeholders(template: &str) -> String {
    let mut rest = template;
    let mut text = String::new();
    while let Some((before, placeholder)) = rest.split_once("{{") {
        text.push_str(before);
        text.push_str("fetched");
        rest = placeholder.split_once("}}").map_or("", |(_, after)| after);
    }
    text + rest
}

fn sealed_name(object: &Value) -> &str {
    let named = text(object, "/spec/template/metadata/name");
    if named.is_empty() { text(object, "/metadata/name") } else { named }
}

fn sealed(object: &Value) -> Content {
    let keys = texts(object, "/spec/encryptedData").into_keys().map(|key| (key.to_owned(), None));
    Content { keys: keys.collect(), is_open: false }
}

fn certificate() -> Content {
    let keys = ["tls.crt", "tls.key", "ca.crt"].map(|key| (key.to_owned(), None));
    Content { keys: keys.into(), is_open: false }
}

/// A container's variables. What refers to something that is not there is left out: that is
/// another rule's to say.
pub(super) fn variables(container: &Value, objects: &Objects) -> BTreeMap<String, Known> {
    let mut variables = BTreeMap::new();
    for source in list(container, "/envFrom") {
        let content = match source.pointer("/configMapRef/name").and_then(Value::as_str) {
            Some(name) => config_map(objects, name),
            None => secret(objects, text(source, "/secretRef/name")),
        };
        let prefix = text(source, "/prefix");
        for (key, value) in content.map(|content| content.keys).unwrap_or_default() {
            variables.insert(format!("{prefix}{key}"), value);
        }
    }
    for variable in list(container, "/env") {
        let from = |kind: &str, content: Option<Content>| {
            let key = text(variable, &format!("/valueFrom/{kind}/key"));
            content.and_then(|content| content.keys.get(key).cloned().or(content.is_open.then_some(None)))
        };
        let value = if variable.pointer("/valueFrom/configMapKeyRef").is_some() {
            from("configMapKeyRef", config_map(objects, text(variable, "/valueFrom/configMapKeyRef/name")))
        } else if variable.pointer("/valueFrom/secretKeyRef").is_some() {
            from("secretKeyRef", secret(objects, text(variable, "/valueFrom/secretKeyRef/name")))
        } else if variable.get("valueFrom").is_some() {
            Some(None)
        } else {
            Some(Some(expanded(text(variable, "/value"), &variables)))
        };
        if let Some(value) = value {
            variables.insert(text(variable, "/name").to_owned(), value);
        }
    }
    variables
}

/// `$(NAME)` stands for a variable that was said before.
fn expanded(value: &str, variables: &BTreeMap<String, Known>) -> String {
    let mut text = value.to_owned();
    for (name, known) in variables {
        text = text.replace(&format!("$({name})"), known.as_deref().unwrap_or("fetched"));
    }
    text
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
    fn secrets_are_what_provides_them() {
        let objects = Objects::parse(OBJECTS).unwrap();
        let keys = |name| secret(&objects, name).map(|content| content.keys.into_iter().collect::<Vec<_>>());
        let known = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        assert_eq!(keys("plain").unwrap(), [known("KEY", "secret"), known("URL", "redis://redis")]);
        assert_eq!(keys("templated").unwrap(), [known("URL", "mongodb://a:fetched@mongodb:27017/")]);
        assert_eq!(keys("open").unwrap(), [("known".to_owned(), None)]);
        assert_eq!(keys("sealed").unwrap(), [("KEY".to_owned(), None)]);
        assert!(secret(&objects, "open").unwrap().is_open);
        assert_eq!(keys("tls").unwrap().len(), 3);
        assert_eq!(keys("none"), None);
    }

    #[test]
    fn later_variables_win_and_may_name_earlier_ones() {
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
        assert_eq!(variables["MONGODB_URL"].as_deref(), Some("mongodb://a:fetched@mongodb:27017/"));
        assert_eq!((&variables["IP"], &variables["LATER"]), (&None, &None));
        assert!(!variables.contains_key("NONE"));
    }
}
