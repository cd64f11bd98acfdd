//! What leads into the fleet or looks at it points at what is there: routes at a Gateway's listener
//! and at Services' ports, monitors at ports by their names.

use serde_json::Value;

use crate::lint_infra::objects::{Objects, called, list, port, selects, text, texts};
use crate::lint_infra::pods::{Pod, pods};

/// What is pointed at and is not there.
pub(super) fn check(objects: &Objects) -> Vec<String> {
    let pods = pods(objects);
    let mut problems: Vec<_> = objects.of("HTTPRoute").flat_map(|one| route(one, objects)).collect();
    problems.extend(objects.of("PodMonitor").flat_map(|one| pod_monitor(one, &pods)));
    problems.extend(objects.of("ServiceMonitor").flat_map(|one| service_monitor(one, objects)));
    problems
}

fn route(route: &Value, objects: &Objects) -> Vec<String> {
    let mut problems = Vec::new();
    let mut tell = |what: String| problems.push(format!("{}: {what}", called(route)));
    for backend in list(route, "/spec/rules").iter().flat_map(|rule| list(rule, "/backendRefs")) {
        let (service, wanted) = (text(backend, "/name"), port(backend, "/port"));
        match objects.find("Service", service) {
            None => tell(format!("there is no Service {service}; add it, or correct backendRefs")),
            Some(found) => {
                if !list(found, "/spec/ports").iter().any(|one| port(one, "/port") == wanted) {
                    let wanted = wanted.unwrap_or_default();
                    tell(format!("Service {service} has no port {wanted}; correct backendRefs"));
                }
            }
        }
    }
    for parent in list(route, "/spec/parentRefs") {
        let (gateway, section) = (text(parent, "/name"), text(parent, "/sectionName"));
        match objects.find("Gateway", gateway) {
            None => tell(format!("there is no Gateway {gateway}; add it, or correct parentRefs")),
            Some(found) => {
                let mut listeners = list(found, "/spec/listeners").iter();
                if !section.is_empty() && !listeners.any(|listener| text(listener, "/name") == section) {
                    tell(format!("Gateway {gateway} has no listener {section}; correct sectionName"));
                }
            }
        }
    }
    problems
}

fn pod_monitor(monitor: &Value, pods: &[Pod<'_>]) -> Vec<String> {
    let name = called(monitor);
    let selector = monitor.pointer("/spec/selector").unwrap_or(&Value::Null);
    let watched: Vec<_> = pods.iter().filter(|pod| selects(selector, &pod.labels)).collect();
    if watched.is_empty() {
        return vec![format!("{name}: its selector matches no pod; correct the labels")];
    }
    let mut problems = Vec::new();
    for port in list(monitor, "/spec/podMetricsEndpoints").iter().map(|endpoint| text(endpoint, "/port")) {
        for pod in watched.iter().filter(|pod| pod.named_port(port).is_none()) {
            problems.push(format!("{name}: {} has no port called '{port}'; name it or watch another", pod.called()));
        }
    }
    problems
}

fn service_monitor(monitor: &Value, objects: &Objects) -> Vec<String> {
    let name = called(monitor);
    let selector = monitor.pointer("/spec/selector").unwrap_or(&Value::Null);
    let is_watched = |service: &&Value| selects(selector, &texts(service, "/metadata/labels"));
    let watched: Vec<_> = objects.of("Service").filter(is_watched).collect();
    if watched.is_empty() {
        return vec![format!("{name}: its selector matches no Service; correct the labels")];
    }
    let mut problems = Vec::new();
    for port in list(monitor, "/spec/endpoints").iter().map(|endpoint| text(endpoint, "/port")) {
        let has_it = |service: &Value| list(service, "/spec/ports").iter().any(|one| text(one, "/name") == port);
        for service in watched.iter().filter(|service| !has_it(service)) {
            problems.push(format!("{name}: {} has no port called '{port}'; name it or watch another", called(service)));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::super::proof::proves;
    use super::check;

    const GOOD: &str = "
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, ports: [{name: http, containerPort: 3000}, {name: admin, containerPort: 9090}]}]}
---
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {selector: {app: web}, ports: [{name: front, port: 80, targetPort: http}]}
---
kind: HTTPRoute
metadata: {name: all}
spec:
  parentRefs: [{name: door, sectionName: https}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
kind: Gateway
metadata: {name: door}
spec: {listeners: [{name: https}]}
---
kind: PodMonitor
metadata: {name: pods}
spec: {selector: {matchLabels: {app: web}}, podMetricsEndpoints: [{port: admin}]}
---
kind: ServiceMonitor
metadata: {name: services}
spec: {selector: {matchLabels: {app: web}}, endpoints: [{port: front}]}
";

    #[test]
    fn what_is_pointed_at_is_there() {
        proves(
            check,
            GOOD,
            &[
                (
                    "labels: {app: web}}\n    spec",
                    "labels: {app: wob}}\n    spec",
                    "PodMonitor pods: its selector matches no",
                ),
                ("{name: web, port: 80}", "{name: wob, port: 80}", "HTTPRoute all: there is no Service wob"),
                ("{name: web, port: 80}", "{name: web, port: 81}", "HTTPRoute all: Service web has no port 81"),
                ("kind: Gateway", "kind: X", "there is no Gateway door"),
                ("listeners: [{name: https}]", "listeners: [{name: http}]", "Gateway door has no listener https"),
                (
                    "[{port: admin}]",
                    "[{port: metrics}]",
                    "PodMonitor pods: Deployment web has no port called 'metrics'",
                ),
                ("[{port: front}]", "[{port: back}]", "ServiceMonitor services: Service web has no port called 'back'"),
                ("labels: {app: web}}\nspec: {selector", "labels: {app: wob}}\nspec: {selector", "matches no Service"),
            ],
        );
    }
}
