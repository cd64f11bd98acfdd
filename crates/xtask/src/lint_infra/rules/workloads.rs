//! What lets the cluster run a container well: probes, resources, and an image that is one image.

use serde_json::Value;

use crate::lint_infra::objects::{Objects, list, text};
use crate::lint_infra::pods::{Pod, pods};

/// Whatever listens until it is told to stop says when it is ready and when it is dead; every
/// container says what it needs and where its memory ends.
pub(super) fn check(objects: &Objects) -> Vec<String> {
    let mut problems = Vec::new();
    for pod in pods(objects) {
        let mut tell =
            |container: &str, what: &str| problems.push(format!("{}: container {container}: {what}", pod.called()));
        for container in pod.containers() {
            for needed in ["requests/cpu", "requests/memory", "limits/memory"] {
                if container.pointer(&format!("/resources/{needed}")).is_none() {
                    tell(text(container, "/name"), &format!("set resources.{}", needed.replace('/', ".")));
                }
            }
        }
        let listens = |container: &&Value| pod.is_long_running() && !list(container, "/ports").is_empty();
        for container in pod.main_containers().filter(listens) {
            for probe in probes(&pod) {
                if container.get(probe).is_none() {
                    tell(text(container, "/name"), &format!("set {probe}"));
                }
            }
        }
    }
    problems
}

/// A service may wait for its database for minutes before it is ready for the first time.
fn probes(pod: &Pod<'_>) -> &'static [&'static str] {
    match pod.service() {
        Some(_) => &["startupProbe", "readinessProbe", "livenessProbe"],
        None => &["readinessProbe", "livenessProbe"],
    }
}

/// An image has a tag that is not `latest`, or a digest, so that what runs today is what runs
/// tomorrow. One that skaffold builds has none in the manifests: skaffold sets it at deployment.
pub(super) fn images(objects: &Objects, built: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    for pod in pods(objects) {
        for container in pod.containers() {
            let image = text(container, "/image");
            let is_fixed = image.contains('@') || matches!(tag(image), Some(tag) if tag != "latest");
            let is_built = tag(image).is_none() && built.iter().any(|one| one == image);
            if !is_fixed && !is_built {
                let (pod, name) = (pod.called(), text(container, "/name"));
                problems.push(format!(
                    "{pod}: container {name}: image '{image}' is whatever was pushed last; \
                     give it a tag other than latest, or have skaffold.yaml build it"
                ));
            }
        }
    }
    problems
}

/// What is behind the name; a colon before the last slash is that of a port.
fn tag(image: &str) -> Option<&str> {
    let file = image.rsplit('/').next().unwrap_or(image);
    file.split_once(':').map(|(_, tag)| tag)
}

/// The images that skaffold.yaml builds, its profiles' too.
pub(in crate::lint_infra) fn built_by(skaffold: &Objects) -> Vec<String> {
    let profiles = skaffold.all().flat_map(|config| list(config, "/profiles"));
    let artifacts = skaffold.all().chain(profiles).flat_map(|config| list(config, "/build/artifacts"));
    artifacts.map(|artifact: &Value| text(artifact, "/image").to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::proof::proves;
    use super::*;

    const GOOD: &str = "
kind: Deployment
metadata: {name: orders}
spec:
  template:
    spec:
      initContainers:
        - {name: first, image: 'mongo:7.0', resources: {requests: {cpu: 1, memory: 1}, limits: {memory: 1}}}
      containers:
        - name: main
          image: ticketing/orders
          ports: [{containerPort: 3000}]
          startupProbe: {}
          readinessProbe: {}
          livenessProbe: {}
          resources: {requests: {cpu: 1, memory: 1}, limits: {memory: 2}}
---
kind: Job
metadata: {name: once}
spec:
  template:
    spec:
      containers:
        - name: main
          image: registry:5000/redis@sha256:00
          ports: [{containerPort: 6379}]
          resources: {requests: {cpu: 1, memory: 1}, limits: {memory: 1}}
";

    #[test]
    fn probes_and_resources_are_there() {
        proves(
            check,
            GOOD,
            &[
                ("startupProbe: {}", "", "Deployment orders: container main: set startupProbe"),
                ("readinessProbe: {}", "", "set readinessProbe"),
                ("livenessProbe: {}", "", "set livenessProbe"),
                (
                    "requests: {cpu: 1, memory: 1}",
                    "requests: {memory: 1}",
                    "container first: set resources.requests.cpu",
                ),
                (
                    "{requests: {cpu: 1, memory: 1}, limits: {memory: 2}}",
                    "{}",
                    "container main: set resources.limits.memory",
                ),
                ("kind: Job", "kind: StatefulSet", "StatefulSet once: container main: set readinessProbe"),
            ],
        );
    }

    #[test]
    fn images_are_fixed() {
        let skaffold = Objects::parse(
            "build: {artifacts: [{image: ticketing/auth}]}\nprofiles: [{build: {artifacts: [{image: ticketing/orders}]}}]",
        );
        let built = built_by(&skaffold.unwrap());
        assert_eq!(built, ["ticketing/auth", "ticketing/orders"]);
        proves(
            |objects| images(objects, &built),
            GOOD,
            &[
                ("mongo:7.0", "mongo", "Deployment orders: container first: image 'mongo' is whatever was pushed last"),
                ("mongo:7.0", "mongo:latest", "give it a tag other than latest"),
                ("ticketing/orders", "ticketing/order", "have skaffold.yaml build it"),
                ("ticketing/orders", "ticketing/orders:latest", "whatever was pushed last"),
                ("registry:5000/redis@sha256:00", "registry:5000/redis", "Job once"),
            ],
        );
    }
}
