//! What a secret store holds that hands over its entries whole, so that no manifest names their keys.
//!
//! # Why
//! Who fills such a store does it with what `cargo xtask secrets` writes, which the development
//! overlay renders. So that is what is known of it: without that, nothing could be said of what a
//! production service is told and whom it must reach.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::environment::{Known, external_name, plain};
use super::objects::{Objects, list, name};
use super::tools::kustomize::Overlay;

/// Secrets by their names, with what they hold.
type Made = BTreeMap<String, BTreeMap<String, Known>>;

/// Gives every `ExternalSecret` that hands over an entry whole the keys and values that a rendered
/// Secret of the same name has in any overlay.
pub(super) fn fill(overlays: &mut [Overlay]) {
    let rendered = overlays.iter().flat_map(|overlay| overlay.objects.of("Secret"));
    let made: Made = rendered.map(|secret| (without_hash(name(secret)).to_owned(), plain(secret).keys)).collect();
    for overlay in overlays {
        fill_one(&mut overlay.objects, &made);
    }
}

fn fill_one(objects: &mut Objects, made: &Made) {
    for object in objects.all_mut() {
        let is_whole = !list(object, "/spec/dataFrom").is_empty() && object.pointer("/spec/target/template").is_none();
        let Some(keys) = made.get(external_name(object)).filter(|_| is_whole) else { continue };
        let data: BTreeMap<_, _> = keys.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))).collect();
        if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
            let target = spec.entry("target").or_insert_with(|| json!({}));
            if let Some(target) = target.as_object_mut() {
                target.insert("template".to_owned(), json!({ "data": data }));
            }
        }
    }
}

/// kustomize puts a hash of ten characters behind the name of a Secret that it makes.
fn without_hash(name: &str) -> &str {
    let cut = name.rsplit_once('-').filter(|(_, hash)| hash.len() == 10 && hash.chars().all(char::is_alphanumeric));
    cut.map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lint_infra::environment::secret;

    #[test]
    fn whole_entries_are_filled_as_development_has_them() {
        let overlay = |yaml: &str| Overlay { name: "x".to_owned(), objects: Objects::parse(yaml).unwrap() };
        let mut overlays = [
            overlay("kind: Secret\nmetadata: {name: orders-mghb5944mm}\nstringData: {URL: 'nats://nats'}"),
            overlay("kind: ExternalSecret\nmetadata: {name: orders}\nspec: {dataFrom: [{extract: {key: x}}]}"),
            overlay("kind: ExternalSecret\nmetadata: {name: web}\nspec: {dataFrom: [{extract: {key: x}}]}"),
        ];
        fill(&mut overlays);
        let filled = secret(&overlays[1].objects, "orders").unwrap();
        assert_eq!(filled.keys["URL"].as_deref(), Some("nats://nats"));
        assert!(!filled.is_open);
        assert!(secret(&overlays[2].objects, "web").unwrap().is_open, "nothing is known of this one");
        assert_eq!(without_hash("nats-config"), "nats-config");
    }
}
