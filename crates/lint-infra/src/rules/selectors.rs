//! Checks that label selectors match pods or Services of the overlay, and that ports by name or number are ports that
//! containers list.

use serde_json::Value;

use super::Context;
use crate::objects::{at, display, each, plain, selects, text, texts};
use crate::pods::Pod;

/// Probes and lifecycle hooks, which may call a port of their container.
pub(super) const HOOKS: [&str; 5] =
    ["startupProbe", "readinessProbe", "livenessProbe", "lifecycle/preStop", "lifecycle/postStart"];

pub(super) fn check(context: &Context<'_>) -> Vec<String> {
    let kinds = ["Service", "PodDisruptionBudget", "PodMonitor", "ServiceMonitor"].into_iter();
    let selecting = kinds.flat_map(|kind| context.objects.of(kind)).flat_map(|object| targets(object, context));
    let budgets = context.objects.of("PodDisruptionBudget").filter_map(|budget| undrainable(budget, context));
    context.pods.iter().flat_map(workload).chain(selecting).chain(budgets).collect()
}

fn workload(pod: &Pod<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(selector) = pod.owner.pointer("/spec/selector").filter(|selector| !pod.is_selected_by(selector)) {
        problems.push(pod.problem(format!("its selector {selector} does not match its own pods; correct the labels")));
    }
    for selector in each(pod.spec, "/topologySpreadConstraints/*/labelSelector") {
        if !pod.is_selected_by(selector) {
            problems.push(pod.problem("a topologySpreadConstraint does not match its own pods; correct labelSelector"));
        }
    }
    for container in pod.containers() {
        for hook in HOOKS {
            let ports = ["httpGet", "tcpSocket", "grpc"].map(|way| container.pointer(&format!("/{hook}/{way}/port")));
            for port in ports.into_iter().flatten().filter(|port| pod.listed_port(port).is_none()) {
                let (container, port) = (text(container, "/name"), plain(port));
                let what =
                    format!("container {container}: {hook} calls port {port}, which no container lists in ports");
                problems.push(pod.problem(what));
            }
        }
    }
    problems
}

/// What is wrong with the pods or Services that an object selects.
fn targets(object: &Value, context: &Context<'_>) -> Vec<String> {
    let (kind, selector) = (text(object, "/kind"), at(object, "/spec/selector"));
    if kind == "Service" && selector.is_null() {
        return Vec::new();
    }
    let ports = match kind {
        "Service" => each(object, "/spec/ports/*").into_iter().map(target_port).collect(),
        "PodMonitor" => each(object, "/spec/podMetricsEndpoints/*/port"),
        _ => each(object, "/spec/endpoints/*/port"),
    };
    // The targets, each with the ports that it lacks.
    let targets: Vec<(&Value, Vec<&Value>)> = if kind == "ServiceMonitor" {
        let services = context.objects.of("Service");
        let services = services.filter(|service| selects(selector, &texts(service, "/metadata/labels")));
        let lacks = |service, port: &Value| !each(service, "/spec/ports/*/name").contains(&port);
        services.map(|one| (one, ports.iter().copied().filter(|port| lacks(one, port)).collect())).collect()
    } else {
        let is_target = |pod: &&Pod<'_>| match kind {
            "Service" => pod.is_behind(object),
            _ => pod.is_selected_by(selector) && (pod.is_long_running() || kind == "PodMonitor"),
        };
        let lacks = |pod: &Pod<'_>, port: &&Value| pod.listed_port(port).is_none();
        let pods = context.pods.iter().filter(is_target);
        pods.map(|pod| (pod.owner, ports.iter().copied().filter(|port| lacks(pod, port)).collect())).collect()
    };
    let object = display(object);
    if targets.is_empty() {
        let target = if kind == "ServiceMonitor" { "Service" } else { "pod" };
        return vec![format!("{object}: its selector matches no {target}; correct the labels")];
    }
    let missing =
        targets.into_iter().flat_map(|(target, ports)| ports.into_iter().map(move |port| (target, plain(port))));
    missing
        .map(|(target, port)| format!("{object}: {} has no port {port}; add or correct it", display(target)))
        .collect()
}

/// The container port, by number or name, that a port of a Service leads to.
pub(super) fn target_port(service_port: &Value) -> &Value {
    service_port.get("targetPort").unwrap_or_else(|| at(service_port, "/port"))
}

/// Reports a budget that never lets a node be drained, since all pods of a workload must stay available.
fn undrainable(budget: &Value, context: &Context<'_>) -> Option<String> {
    let minimum = at(budget, "/spec/minAvailable").as_u64()?;
    // An autoscaler sets the number of replicas of a workload that states none.
    let is_blocked =
        |pod: &&Pod<'_>| at(pod.owner, "/spec/replicas").as_u64().is_some_and(|replicas| replicas <= minimum);
    let mut pods =
        context.pods.iter().filter(|pod| pod.is_long_running() && pod.is_selected_by(at(budget, "/spec/selector")));
    let pod = pods.find(is_blocked)?;
    let (budget, pod, replicas) = (display(budget), display(pod.owner), pod.replicas);
    Some(format!("{budget}: it blocks every drain of a node, {pod} has {replicas} pods; lower minAvailable"))
}

#[cfg(test)]
mod tests {
    use super::super::Images;
    use super::super::mutations::assert_each_mutation_is_reported;
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
kind: PodMonitor
metadata: {name: pods}
spec: {selector: {matchLabels: {app: web}}, podMetricsEndpoints: [{port: admin}]}
---
kind: ServiceMonitor
metadata: {name: services}
spec: {selector: {matchLabels: {app: web}}, endpoints: [{port: front}]}
";

    #[test]
    fn selectors_and_ports_without_targets_are_reported() {
        let labels = "metadata: {labels: {app: web}}";
        assert_each_mutation_is_reported(
            check,
            &Images::default(),
            GOOD,
            &[
                ("{app: web}}\n  template", "{app: wob}}\n  template", "StatefulSet web: its selector"),
                (labels, "metadata: {labels: {app: wob}}", "Service web: its selector matches no pod"),
                (labels, "metadata: {labels: {app: wob}}", "a topologySpreadConstraint does not match its own pods"),
                ("httpGet: {port: admin}", "httpGet: {port: adm}", "readinessProbe calls port adm,"),
                ("tcpSocket: {port: 9090}", "tcpSocket: {port: 9091}", "livenessProbe calls port 9091"),
                ("targetPort: http", "targetPort: htp", "Service web: StatefulSet web has no port htp"),
                ("port: 80, targetPort: http", "port: 80", "Service web: StatefulSet web has no port 80"),
                (
                    "minAvailable: 1, selector: {matchLabels: {app: web}}",
                    "selector: {matchLabels: {app: x}}",
                    "kept: its sel",
                ),
                ("minAvailable: 1", "minAvailable: 2", "it blocks every drain of a node"),
                (labels, "metadata: {labels: {app: wob}}", "PodMonitor pods: its selector matches no pod"),
                ("[{port: admin}]", "[{port: metrics}]", "PodMonitor pods: StatefulSet web has no port metrics"),
                ("[{port: front}]", "[{port: back}]", "ServiceMonitor services: Service web has no port back"),
                ("labels: {app: web}}\nspec: {selector", "labels: {app: wob}}\nspec: {selector", "matches no Service"),
            ],
        );
    }
}
