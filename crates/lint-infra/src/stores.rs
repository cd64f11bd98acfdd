//! The content of secret stores from which an `ExternalSecret` copies whole entries, so that no manifest lists
//! their keys.
//!
//! # Why
//! Operators fill such a store with the output of `cargo xtask secrets`, which the development overlay
//! contains as well. Without this content, the settings and network flows of production could not be checked.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::environment::{Values, secret, secret_name};
use super::objects::{each, name};
use super::tools::kustomize::Overlay;

/// Gives every `ExternalSecret` that copies a whole entry the keys and values of the Secret of the same name
/// in any rendered overlay.
pub(crate) fn fill(overlays: &mut [Overlay]) {
    let rendered = overlays.iter().flat_map(|overlay| overlay.objects.of("Secret"));
    let rendered: BTreeMap<String, Values> =
        rendered.map(|object| (without_hash(name(object)).to_owned(), secret(object).keys)).collect();
    for object in overlays.iter_mut().flat_map(|overlay| overlay.objects.all_mut()) {
        let is_whole =
            !each(object, "/spec/dataFrom/*").is_empty() && object.pointer("/spec/target/template").is_none();
        let Some((name, keys)) = secret_name(object).and_then(|name| rendered.get_key_value(name)) else { continue };
        let data: BTreeMap<_, _> = keys.iter().filter(|(_, value)| value.is_some()).collect();
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut).filter(|_| is_whole) {
            spec.insert("target".to_owned(), json!({ "name": name, "template": { "data": data } }));
        }
    }
}

/// The name without the hash of ten characters that kustomize appends to generated Secrets.
fn without_hash(name: &str) -> &str {
    let cut = name.rsplit_once('-').filter(|(_, hash)| hash.len() == 10 && hash.chars().all(char::is_alphanumeric));
    cut.map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::content;
    use crate::objects::Objects;

    #[test]
    fn whole_entries_get_the_keys_of_development() {
        let overlay = |yaml: &str| Overlay { name: "x".to_owned(), objects: Objects::parse(yaml).unwrap() };
        let mut overlays = [
            overlay("kind: Secret\nmetadata: {name: orders-mghb5944mm}\nstringData: {URL: 'nats://nats'}"),
            overlay("kind: ExternalSecret\nmetadata: {name: orders}\nspec: {dataFrom: [{extract: {key: x}}]}"),
            overlay("kind: ExternalSecret\nmetadata: {name: web}\nspec: {dataFrom: [{extract: {key: x}}]}"),
        ];
        fill(&mut overlays);
        let filled = content(&overlays[1].objects, "Secret", "orders").unwrap();
        assert_eq!(filled.keys["URL"].as_deref(), Some("nats://nats"));
        assert!(!filled.has_unknown_keys);
        assert!(
            content(&overlays[2].objects, "Secret", "web").unwrap().has_unknown_keys,
            "no overlay renders this one"
        );
        assert_eq!(without_hash("nats-config"), "nats-config");
    }
}
