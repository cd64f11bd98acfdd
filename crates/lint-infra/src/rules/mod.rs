//! Rules that an overlay must satisfy in addition to its schemas. A rule is a pure function from the rendered objects
//! to problems, each of which names the object and the remedy.

mod arguments;
mod containers;
#[cfg(test)]
mod mutations;
mod network;
mod redis;
mod references;
pub(super) mod runbook;
mod selectors;
pub(super) mod settings;
mod tls;

use serde_json::Value;

use super::environment::content;
use super::objects::{Objects, each, text};
use super::pods::Pod;

/// What rules know about the programs in the images.
#[derive(Debug, Default)]
pub(super) struct Images {
    pub(super) programs: settings::Programs,
    /// The images that skaffold builds.
    pub(super) names: Vec<String>,
}

/// The images that skaffold.yaml builds, those of its profiles included.
pub(super) fn images(skaffold: &Objects) -> Vec<String> {
    let artifacts = ["/build/artifacts/*", "/profiles/*/build/artifacts/*"];
    let artifacts = skaffold.all().flat_map(|config| artifacts.map(|pattern| each(config, pattern))).flatten();
    artifacts.map(|artifact| text(artifact, "/image").to_owned()).collect()
}

/// One overlay, as rules see it.
struct Context<'a> {
    objects: &'a Objects,
    pods: Vec<Pod<'a>>,
    images: &'a Images,
}

impl<'a> Context<'a> {
    fn new(objects: &'a Objects, images: &'a Images) -> Self {
        Self { objects, pods: Pod::all(objects), images }
    }

    /// The contents of the files that a pod mounts from `ConfigMaps`, each with the name of its `ConfigMap`.
    fn mounted_files(&self, pod: &Pod<'a>) -> Vec<(&'a str, String)> {
        let maps = each(pod.spec, "/volumes/*/configMap/name").into_iter().filter_map(Value::as_str);
        let files = |map| content(self.objects, "ConfigMap", map).unwrap_or_default().keys.into_values().flatten();
        maps.flat_map(|map| files(map).map(move |file| (map, file))).collect()
    }
}

const RULES: [fn(&Context<'_>) -> Vec<String>; 8] = [
    containers::check,
    arguments::check,
    references::check,
    selectors::check,
    settings::check,
    redis::check,
    tls::check,
    network::check,
];

/// All problems of an overlay.
pub(super) fn check(objects: &Objects, images: &Images) -> Vec<String> {
    let context = Context::new(objects, images);
    RULES.iter().flat_map(|rule| rule(&context)).collect()
}
