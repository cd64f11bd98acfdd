//! Renders every kustomization below a folder, as `kubectl apply --kustomize` would.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;
use testkit::tools::python::Environment;

use crate::objects::{Objects, each, text};

/// A kustomization that is applied, which is one with a namespace.
#[derive(Debug)]
pub(crate) struct Overlay {
    /// Its folder, relative to the rendered one.
    pub(crate) name: String,
    pub(crate) objects: Objects,
}

/// The overlays below a folder, and problems of those that can't be rendered. The resources and
/// components of an overlay are checked as part of it.
pub(crate) fn render_all(python: &Environment, folder: &Path) -> Result<(Vec<Overlay>, Vec<String>)> {
    let folder = &folder.canonicalize().with_context(|| format!("resolving {}", folder.display()))?;
    let mut kustomizations = Vec::new();
    find(folder, &mut kustomizations)?;
    let included: BTreeSet<PathBuf> =
        kustomizations.iter().flat_map(|(path, content)| included(path, content)).collect();
    let (mut overlays, mut problems) = (Vec::new(), Vec::new());
    for (path, content) in kustomizations {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        let is_component = text(&content, "/kind") == "Component";
        let is_overlay = content.get("namespace").is_some() && !is_component;
        if !is_overlay && !included.contains(&path) {
            let remedy = "add it to one, or give it a namespace";
            problems.push(format!("{name}: no overlay includes it, so nothing checks it; {remedy}"));
        }
        if is_component {
            continue;
        }
        let mut kubectl = python.command("kubectl")?;
        let output = kubectl.arg("kustomize").arg(&path).output().context("kubectl does not run")?;
        let objects = Objects::parse(&String::from_utf8_lossy(&output.stdout));
        match objects {
            _ if !output.status.success() => {
                problems.push(format!("{name}: kubectl kustomize: {}", String::from_utf8_lossy(&output.stderr).trim()));
            }
            Err(error) => problems.push(format!("{name}: kubectl kustomize: {error:#}")),
            Ok(objects) if is_overlay => overlays.push(Overlay { name, objects }),
            Ok(_) => {}
        }
    }
    Ok((overlays, problems))
}

/// Collects the kustomizations below a folder.
fn find(folder: &Path, found: &mut Vec<(PathBuf, Value)>) -> Result<()> {
    let file = folder.join("kustomization.yaml");
    if file.is_file() {
        let content = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
        let content = serde_yaml_ng::from_str(&content).with_context(|| format!("parsing {}", file.display()))?;
        found.push((folder.to_owned(), content));
    }
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut paths: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    paths.iter().filter(|path| path.is_dir()).try_for_each(|path| find(path, found))
}

/// The folders of the kustomizations that one includes.
fn included(folder: &Path, content: &Value) -> Vec<PathBuf> {
    let parts = [each(content, "/resources/*"), each(content, "/components/*")].concat().into_iter();
    let paths = parts.filter_map(|part| folder.join(part.as_str()?).canonicalize().ok());
    paths.filter(|path| path.is_dir()).collect()
}
