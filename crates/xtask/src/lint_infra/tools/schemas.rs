//! Holds objects against their schemas: Kubernetes' own kinds against those that
//! kubernetes-validate carries, the others against the folder that `SCHEMAS_DIR` names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use testkit::servers::scratch::ScratchDir;
use testkit::tools::progress;
use testkit::tools::python::Environment;

use super::complaint;
use super::kustomize::Overlay;
use crate::lint_infra::objects::{Objects, called, text};

const SKAFFOLD: &str = "skaffold-v4beta13.json";

/// The API groups of Kubernetes itself; others come with custom resource definitions.
const OWN_GROUPS: [&str; 14] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// What differs from its schema. Without a folder of schemas, one line says what was left out.
pub(in crate::lint_infra) fn check(
    python: &Environment,
    overlays: &[Overlay],
    skaffold: &Objects,
    schemas: Option<&Path>,
) -> Result<Vec<String>> {
    let scratch = ScratchDir::new("lint-schemas")?;
    let mut problems = Vec::new();
    let (mut own, mut others) = (Vec::new(), BTreeMap::<PathBuf, Vec<PathBuf>>::new());
    let mut left_out = BTreeSet::new();
    for overlay in overlays {
        for object in overlay.objects.all() {
            let file = write(scratch.path(), &overlay.name, object)?;
            match (schema_of(object), schemas) {
                (None, _) => own.push(file),
                (Some(name), Some(folder)) if folder.join(&name).is_file() => {
                    others.entry(folder.join(name)).or_default().push(file);
                }
                (Some(name), Some(_)) => problems.push(format!(
                    "{}: {}: there is no schema {name} in SCHEMAS_DIR; add it, or correct apiVersion and kind",
                    overlay.name,
                    called(object)
                )),
                (Some(_), None) => {
                    left_out.insert(text(object, "/kind").to_owned());
                }
            }
        }
    }
    for document in skaffold.all() {
        match schemas {
            Some(folder) => {
                others.entry(folder.join(SKAFFOLD)).or_default().push(write(scratch.path(), "skaffold", document)?);
            }
            None => {
                left_out.insert("skaffold.yaml".to_owned());
            }
        }
    }
    if !left_out.is_empty() {
        let kinds = left_out.into_iter().collect::<Vec<_>>().join(", ");
        progress("Leaving out", &format!("the schemas of {kinds}: SCHEMAS_DIR names no folder that has them"));
    }
    problems.extend(kubernetes(python, scratch.path(), &own)?);
    for (schema, files) in others {
        let schema = readable(&schema, scratch.path())?;
        let mut command = python.command("check-jsonschema")?;
        command.arg("--schemafile").arg(&schema).args(files).current_dir(scratch.path());
        problems.extend(complaint(&mut command)?.map(|text| format!("check-jsonschema: {text}")));
    }
    Ok(problems)
}

/// The schema of a kind that is not Kubernetes' own.
fn schema_of(object: &Value) -> Option<String> {
    let api_version = text(object, "/apiVersion");
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let kind = text(object, "/kind").to_lowercase();
    (!OWN_GROUPS.contains(&group)).then(|| format!("{group}_{kind}_{version}.json"))
}

/// A copy of the schema without the patterns that only Go understands, such as `^(?i)(abort|warn)?$`:
/// check-jsonschema refuses the whole schema for one of them.
fn readable(schema: &Path, scratch: &Path) -> Result<PathBuf> {
    let text = fs::read_to_string(schema).with_context(|| format!("reading {}", schema.display()))?;
    let mut content = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", schema.display()))?;
    without_go_patterns(&mut content);
    let copy = scratch.join(schema.file_name().unwrap_or_default());
    fs::write(&copy, content.to_string()).context("writing a copy of a schema")?;
    Ok(copy)
}

fn without_go_patterns(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            let sets_flags = |pattern: &str| {
                pattern.split("(?").skip(1).any(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))
            };
            if map.get("pattern").and_then(Value::as_str).is_some_and(sets_flags) {
                map.remove("pattern");
            }
            map.values_mut().for_each(without_go_patterns);
        }
        Value::Array(list) => list.iter_mut().for_each(without_go_patterns),
        _ => {}
    }
}

/// A file of its own for each object, whose name tells whose it is.
fn write(scratch: &Path, overlay: &str, object: &Value) -> Result<PathBuf> {
    let folder = Path::new(overlay);
    fs::create_dir_all(scratch.join(folder))?;
    let file = folder.join(format!("{}.json", called(object).replace([' ', '/'], "-")));
    fs::write(scratch.join(&file), object.to_string()).context("writing an object to a file")?;
    Ok(file)
}

/// A kind that kubernetes-validate does not know is a warning to it, and an error to us.
fn kubernetes(python: &Environment, scratch: &Path, files: &[PathBuf]) -> Result<Vec<String>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let mut command = python.command("kubernetes-validate")?;
    let output = command.args(["--strict", "--quiet"]).args(files).current_dir(scratch).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().filter(|line| line.contains("ERROR") || line.contains("Couldn't find schema"));
    let mut problems: Vec<_> = lines.map(|line| format!("kubernetes-validate: {line}")).collect();
    if problems.is_empty() && !output.status.success() {
        problems.push(format!("kubernetes-validate failed ({}): {text}", output.status));
    }
    Ok(problems)
}
