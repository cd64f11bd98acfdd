//! What must hold of an overlay beyond its schemas: each rule is a pure function from the rendered
//! objects to what is wrong with them, in lines that name the object and the remedy.

mod entrances;
pub(super) mod network;
#[cfg(test)]
mod proof;
mod redis;
mod references;
pub(super) mod runbook;
mod security;
pub(super) mod settings;
mod targets;
pub(super) mod workloads;

use super::objects::Objects;

/// What rules know beside the objects.
#[derive(Debug)]
pub(super) struct Known {
    /// The settings of our programs.
    pub(super) programs: settings::Programs,
    /// The images that skaffold builds.
    pub(super) images: Vec<String>,
}

/// Everything that is wrong with an overlay.
pub(super) fn check(objects: &Objects, known: &Known) -> Vec<String> {
    let mut problems = security::check(objects);
    problems.extend(workloads::check(objects));
    problems.extend(workloads::images(objects, &known.images));
    problems.extend(references::check(objects));
    problems.extend(targets::check(objects));
    problems.extend(entrances::check(objects));
    problems.extend(settings::check(objects, &known.programs));
    problems.extend(redis::check(objects, &known.programs));
    problems.extend(network::check(objects, &known.programs));
    problems
}
