//! Renders every kustomization below a folder, as `kubectl apply --kustomize` would.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use testkit::tools::python::Environment;

use crate::lint_infra::objects::{Objects, list, text};

/// A kustomization that is applied as it is, which is one that names a namespace.
#[derive(Debug)]
pub(in crate::lint_infra) struct Overlay {
    /// Its folder, as messages call it.
    pub(in crate::lint_infra) name: String,
    /// What it renders to.
    pub(in crate::lint_infra) objects: Objects,
}

/// The overlays below the folder, and what is wrong with those that can't be rendered. What an
/// overlay takes in is checked as a part of it.
pub(in crate::lint_infra) fn render_all(python: &Environment, folder: &Path) -> Result<(Vec<Overlay>, Vec<String>)> {
    let folder = &folder.canonicalize().with_context(|| format!("looking for {}", folder.display()))?;
    let mut kustomizations = Vec::new();
    find(folder, &mut kustomizations)?;
    let taken = kustomizations.iter().map(|path| takes_in(path)).collect::<Result<Vec<_>>>()?;
    let taken: BTreeSet<PathBuf> = taken.into_iter().flatten().collect();
    let (mut overlays, mut problems) = (Vec::new(), Vec::new());
    for path in kustomizations {
        let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        let content = read(&path)?;
        let is_component = text(&content, "/kind") == "Component";
        let is_overlay = content.get("namespace").is_some() && !is_component;
        if !is_overlay && !taken.contains(&path) {
            problems
                .push(format!("{name}: no overlay takes this in, so nothing checks it; add it to one, or a namespace"));
        }
        if is_component {
            continue;
        }
        match render(python, &path)? {
            Ok(objects) if is_overlay => overlays.push(Overlay { name, objects }),
            Ok(_) => {}
            Err(complaint) => problems.push(format!("{name}: kubectl kustomize: {complaint}")),
        }
    }
    Ok((overlays, problems))
}

fn find(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut paths: Vec<_> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    paths.sort();
    if paths.iter().any(|path| path.ends_with("kustomization.yaml")) {
        found.push(folder.to_owned());
    }
    paths.iter().filter(|path| path.is_dir()).try_for_each(|path| find(path, found))
}

fn read(folder: &Path) -> Result<serde_json::Value> {
    let file = folder.join("kustomization.yaml");
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    serde_yaml_ng::from_str(&text).with_context(|| format!("{} is no YAML", file.display()))
}

/// The folders of other kustomizations that this one is made of.
fn takes_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let content = read(folder)?;
    let parts = list(&content, "/resources").iter().chain(list(&content, "/components"));
    let paths = parts.filter_map(|part| folder.join(part.as_str()?).canonicalize().ok());
    Ok(paths.filter(|path| path.is_dir()).collect())
}

fn render(python: &Environment, folder: &Path) -> Result<Result<Objects, String>> {
    let output = python.command("kubectl")?.arg("kustomize").arg(folder).output().context("kubectl does not run")?;
    if !output.status.success() {
        return Ok(Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(Objects::parse(&String::from_utf8_lossy(&output.stdout)).map_err(|error| format!("{error:#}")))
}
