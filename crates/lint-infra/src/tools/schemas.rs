//! Validates objects against JSON schemas: built-in kinds of Kubernetes against those in the Python package
//! kubernetes-validate, other kinds and skaffold.yaml against those in the folder `SCHEMAS_DIR`, and a few kinds
//! against our own in infra/dev/schemas, which describe what these manifests use of them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use jsonschema::{PatternOptions, Registry};
use serde_json::Value;
use testkit::tools::progress;
use testkit::tools::python::Environment;

use super::kustomize::Overlay;
use crate::objects::{Objects, display, text};

/// Folder of the schemas of the newest supported Kubernetes, relative to the programs of the Python environment.
const KUBERNETES: &str = "../kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict";
/// URI and file of the definitions that those schemas refer to.
const DEFINITIONS: (&str, &str) = ("https://kubernetes.io/api/_definitions.json", "_definitions.json");

/// Returns the violations of the schemas in `own` and `folder`. Without the latter, prints which schemas are skipped.
pub(crate) fn check(
    python: &Environment,
    overlays: &[Overlay],
    skaffold: &Objects,
    own: &Path,
    folder: Option<&Path>,
) -> Result<Vec<String>> {
    let kubernetes = python.program(KUBERNETES);
    let registry = Registry::new().add(DEFINITIONS.0, parse(&kubernetes.join(DEFINITIONS.1))?)?.prepare()?;
    let (mut problems, mut validators, mut left_out) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
    let sources = overlays.iter().map(|overlay| (overlay.name.as_str(), &overlay.objects));
    let sources = sources.chain([("skaffold.yaml", skaffold)]);
    for (source, object) in sources.flat_map(|(name, objects)| objects.all().map(move |object| (name, object))) {
        let problem = |what: &str| format!("{source}: {}: {what}", display(object));
        let (is_builtin, name) = schema_of(object);
        let others = if own.join(&name).is_file() { Some(own) } else { folder };
        let Some(folder) = (if is_builtin { Some(kubernetes.as_path()) } else { others }) else {
            left_out.insert(name);
            continue;
        };
        let file = folder.join(&name);
        if !file.is_file() {
            problems.push(problem(&format!(
                "there is no schema {name}; correct apiVersion and kind, or add it to SCHEMAS_DIR"
            )));
            continue;
        }
        let validator = match validators.entry(file) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                // Some patterns are in the syntax of Go, such as `^(?i)(abort|warn)?$`.
                let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
                let validator = options.with_registry(&registry).build(&parse(entry.key())?);
                entry.insert(validator.map_err(|error| anyhow!("{name} is no schema: {error}"))?)
            }
        };
        problems
            .extend(validator.iter_errors(object).map(|error| problem(&format!("{}: {error}", error.instance_path()))));
    }
    if !left_out.is_empty() {
        let names = left_out.into_iter().collect::<Vec<_>>().join(", ");
        progress("Skipping", &format!("the schemas {names}: SCHEMAS_DIR is no folder"));
    }
    Ok(problems)
}

/// Whether the kind is one of Kubernetes itself, and the file of its schema.
fn schema_of(object: &Value) -> (bool, String) {
    let (api_version, kind) = (text(object, "/apiVersion"), text(object, "/kind").to_lowercase());
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    match group.split_once('.') {
        None if group.is_empty() => (true, format!("{kind}-{version}.json")),
        None if group == "skaffold" => (false, format!("skaffold-{version}.json")),
        None => (true, format!("{kind}-{group}-{version}.json")),
        Some((name, "k8s.io" | "authorization.k8s.io")) => (true, format!("{kind}-{name}-{version}.json")),
        Some(_) => (false, format!("{group}_{kind}_{version}.json")),
    }
}

fn parse(file: &Path) -> Result<Value> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("parsing {}", file.display()))
}
