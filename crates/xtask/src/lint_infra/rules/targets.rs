//! What an object points at by labels, names and ports is there: a workload's pods, a Service's
//! pods and ports, a budget's and a scaler's workload.

use serde_json::Value;

use crate::lint_infra::objects::{Objects, called, list, port, selects, text, texts};
use crate::lint_infra::pods::{Pod, pods};

/// What is pointed at and is not there.
pub(super) fn check(objects: &Objects) -> Vec<String> {
    let pods = pods(objects);
    let mut problems: Vec<_> = pods.iter().flat_map(|pod| workload(pod, objects)).collect();
    problems.extend(objects.of("Service").flat_map(|one| service(one, &pods)));
    problems.extend(objects.of("PodDisruptionBudget").filter_map(|one| budget(one, &pods)));
    problems.extend(objects.of("HorizontalPodAutoscaler").filter_map(|one| scaler(one, objects)));
    problems
}

fn workload(pod: &Pod<'_>, objects: &Objects) -> Vec<String> {
    let mut problems = Vec::new();
    let mut tell = |what: String| problems.push(format!("{}: {what}", pod.called()));
    if let Some(selector) = pod.owner.pointer("/spec/selector").filter(|selector| !selects(selector, &pod.labels)) {
        tell(format!("its selector {selector} does not match its own pods; correct the labels"));
    }
    for spread in list(pod.spec, "/topologySpreadConstraints") {
        if spread.get("labelSelector").is_some_and(|selector| !selects(selector, &pod.labels)) {
            tell("a topologySpreadConstraint does not count its own pods; correct its labelSelector".to_owned());
        }
    }
    let governing = text(pod.owner, "/spec/serviceName");
    if !governing.is_empty() && objects.find("Service", governing).is_none() {
        tell(format!("there is no Service {governing}; add it, or correct serviceName"));
    }
    for container in pod.containers() {
        let hooks = ["startupProbe", "readinessProbe", "livenessProbe", "lifecycle/preStop", "lifecycle/postStart"];
        for hook in hooks {
            let Some(given) = ["httpGet", "tcpSocket", "grpc"]
                .iter()
                .find_map(|way| container.pointer(&format!("/{hook}/{way}/port")))
            else {
                continue;
            };
            if !pod.port(given).is_some_and(|port| pod.has_port(port)) {
                let container = text(container, "/name");
                tell(format!("container {container}: its {hook} asks port {given}, which no container lists in ports"));
            }
        }
    }
    problems
}

/// The pods that a Service sends to.
pub(in crate::lint_infra) fn behind<'p, 'a>(
    service: &Value,
    pods: &'p [Pod<'a>],
) -> impl Iterator<Item = &'p Pod<'a>> + use<'p, 'a> {
    let selector = texts(service, "/spec/selector").into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
    let selector: Vec<_> = selector.collect();
    let matches = move |pod: &&Pod<'_>| {
        !selector.is_empty()
            && selector.iter().all(|(key, value)| pod.labels.get(key.as_str()) == Some(&value.as_str()))
    };
    pods.iter().filter(matches)
}

/// The pod's port that a Service's port leads to.
pub(in crate::lint_infra) fn target_port(service_port: &Value, pod: &Pod<'_>) -> Option<u16> {
    match service_port.get("targetPort") {
        Some(given) => pod.port(given),
        None => port(service_port, "/port"),
    }
}

fn service(service: &Value, pods: &[Pod<'_>]) -> Vec<String> {
    if service.pointer("/spec/selector").is_none() {
        return Vec::new();
    }
    let behind: Vec<_> = behind(service, pods).filter(|pod| pod.is_long_running()).collect();
    let service_name = called(service);
    if behind.is_empty() {
        return vec![format!("{service_name}: its selector matches no pod; correct the labels")];
    }
    let mut problems = Vec::new();
    for one in list(service, "/spec/ports") {
        for pod in &behind {
            if !target_port(one, pod).is_some_and(|port| pod.has_port(port)) {
                let (pod, given) = (pod.called(), one.get("targetPort").or_else(|| one.get("port")));
                let given = given.map(ToString::to_string).unwrap_or_default();
                problems
                    .push(format!("{service_name}: port {given} is none that {pod} lists in its containers' ports"));
            }
        }
    }
    problems
}

fn budget(budget: &Value, pods: &[Pod<'_>]) -> Option<String> {
    let selector = budget.pointer("/spec/selector").unwrap_or(&Value::Null);
    let kept: Vec<_> = pods.iter().filter(|pod| pod.is_long_running() && selects(selector, &pod.labels)).collect();
    if kept.is_empty() {
        return Some(format!("{}: its selector matches no pod; correct the labels", called(budget)));
    }
    let wanted = budget.pointer("/spec/minAvailable").and_then(Value::as_u64);
    let blocked = kept.iter().find(|pod| wanted.is_some_and(|wanted| wanted >= pod.replicas) && !is_scaled(pod))?;
    let (budget, pod, replicas) = (called(budget), blocked.called(), blocked.replicas);
    Some(format!("{budget}: no machine can ever be drained, {pod} has {replicas} pods; lower minAvailable"))
}

/// How many there are is a scaler's to say.
fn is_scaled(pod: &Pod<'_>) -> bool {
    pod.owner.pointer("/spec/replicas").is_none()
}

fn scaler(scaler: &Value, objects: &Objects) -> Option<String> {
    let (kind, name) = (text(scaler, "/spec/scaleTargetRef/kind"), text(scaler, "/spec/scaleTargetRef/name"));
    let is_missing = objects.find(kind, name).is_none();
    is_missing.then(|| format!("{}: there is no {kind} {name}; correct scaleTargetRef", called(scaler)))
}

#[cfg(test)]
mod tests {
    use super::super::proof::proves;
    use super::check;

    const GOOD: &str = "
kind: StatefulSet
metadata: {name: web}
spec:
  serviceName: web
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      topologySpreadConstraints: [{labelSelector: {matchLabels: {app: web}}}]
      containers:
        - name: main
          ports: [{name: http, containerPort: 3000}, {name: admin, containerPort: 9090}]
          readinessProbe: {httpGet: {port: admin}}
          livenessProbe: {tcpSocket: {port: 9090}}
---
kind: Service
metadata: {name: web, labels: {app: web}}
spec: {selector: {app: web}, ports: [{name: front, port: 80, targetPort: http}]}
---
kind: PodDisruptionBudget
metadata: {name: kept}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
kind: HorizontalPodAutoscaler
metadata: {name: grows}
spec: {scaleTargetRef: {kind: StatefulSet, name: web}}
";

    #[test]
    fn what_is_pointed_at_is_there() {
        let labels = "metadata: {labels: {app: web}}";
        proves(
            check,
            GOOD,
            &[
                ("{app: web}}\n  template", "{app: wob}}\n  template", "StatefulSet web: its selector"),
                (labels, "metadata: {labels: {app: wob}}", "Service web: its selector matches no pod"),
                (labels, "metadata: {labels: {app: wob}}", "a topologySpreadConstraint does not count its own pods"),
                ("serviceName: web", "serviceName: wob", "there is no Service wob; add it, or correct serviceName"),
                ("httpGet: {port: admin}", "httpGet: {port: adm}", "its readinessProbe asks port \"adm\""),
                ("tcpSocket: {port: 9090}", "tcpSocket: {port: 9091}", "its livenessProbe asks port 9091"),
                ("targetPort: http", "targetPort: htp", "Service web: port \"htp\" is none that StatefulSet web lists"),
                ("port: 80, targetPort: http", "port: 80", "Service web: port 80 is none"),
                (
                    "minAvailable: 1, selector: {matchLabels: {app: web}}",
                    "selector: {matchLabels: {app: x}}",
                    "kept: its sel",
                ),
                ("minAvailable: 1", "minAvailable: 2", "no machine can ever be drained"),
                ("kind: StatefulSet, name: web", "kind: Deployment, name: web", "grows: there is no Deployment web"),
            ],
        );
    }
}
