//! A client of a port `admin` can change any entity. So no policy may admit anything but the pods of ticketctl to it,
//! and probes and monitors use the port `metrics`.

use serde_json::{Value, json};

use super::policies::{Direction, includes, is_for, peers};
use crate::objects::{at, display, each, text};
use crate::pods::Pod;
use crate::rules::Context;
use crate::rules::selectors::{HOOKS, target_port};

/// The program that operators run.
const OPERATOR: &str = "ticketctl";

pub(super) fn check(context: &Context<'_>) -> Vec<String> {
    let pods = context.pods.iter().filter_map(|pod| Some((pod, pod.port(&json!("admin"))?)));
    pods.flat_map(|(pod, admin)| {
        let opened = context.objects.of("NetworkPolicy").filter(move |policy| is_for(policy, &pod.labels));
        let opened = opened.flat_map(move |policy| strangers(policy, pod, admin, context));
        opened.chain(probes(pod, admin)).chain(monitors(pod, admin, context))
    })
    .collect()
}

/// The clients other than ticketctl that a policy lets reach the admin port, each as a problem.
fn strangers(policy: &Value, pod: &Pod<'_>, admin: u16, context: &Context<'_>) -> Vec<String> {
    let mut strangers = Vec::new();
    for rule in Direction::Ingress.rules(policy) {
        let ports = each(rule, "/ports/*");
        if !ports.is_empty() && !ports.iter().any(|entry| includes(entry, admin, Some(pod))) {
            continue;
        }
        let peers = peers(rule);
        if peers.is_empty() {
            strangers.push("anything".to_owned());
        }
        for peer in peers {
            // Which pods another namespace has, or an address belongs to, is not known here.
            let is_elsewhere = peer.get("namespaceSelector").is_some() || peer.get("ipBlock").is_some();
            let selected = context.pods.iter().filter(|other| other.is_selected_by(at(peer, "/podSelector")));
            let (operators, others): (Vec<_>, Vec<_>) = selected.partition(|other| is_operator(other));
            if is_elsewhere {
                strangers.push("pods of other namespaces or addresses".to_owned());
            } else if others.is_empty() && operators.is_empty() {
                strangers.push("pods that are not in the manifests".to_owned());
            } else {
                strangers.extend(others.into_iter().map(|other| display(other.owner)));
            }
        }
    }
    let (policy, pod) = (display(policy), display(pod.owner));
    let problem =
        |stranger: String| format!("{policy}: {stranger} may reach the admin port of {pod}, which is for {OPERATOR}");
    strangers.into_iter().map(problem).collect()
}

/// Whether all containers of a pod run ticketctl.
fn is_operator(pod: &Pod<'_>) -> bool {
    let is_operator = |container: &Value| {
        let name = text(container, "/image").split('@').next().and_then(|image| image.rsplit('/').next());
        name.and_then(|name| name.split(':').next()) == Some(OPERATOR)
    };
    pod.containers().into_iter().all(is_operator)
}

/// The probes and hooks that call the admin port.
fn probes(pod: &Pod<'_>, admin: u16) -> Vec<String> {
    let calls = |container: &Value, hook: &str| {
        let ports = ["httpGet", "tcpSocket", "grpc"].map(|way| container.pointer(&format!("/{hook}/{way}/port")));
        ports.into_iter().flatten().any(|port| pod.port(port) == Some(admin))
    };
    let hooks = pod.containers().into_iter().flat_map(|container| HOOKS.map(|hook| (container, hook)));
    let calling = hooks.filter(|(container, hook)| calls(container, hook));
    calling.map(|(_, hook)| pod.problem(format!("{hook} calls the admin port; use the port metrics"))).collect()
}

/// The monitors that scrape the admin port, of the pod itself or through a Service.
fn monitors(pod: &Pod<'_>, admin: u16, context: &Context<'_>) -> Vec<String> {
    let of_pods = context.objects.of("PodMonitor").filter(|monitor| {
        let ports = each(monitor, "/spec/podMetricsEndpoints/*/port");
        pod.is_selected_by(at(monitor, "/spec/selector")) && ports.iter().any(|port| pod.port(port) == Some(admin))
    });
    let services = context.objects.of("Service").filter(|service| pod.is_behind(service));
    let names: Vec<_> = services
        .flat_map(|service| each(service, "/spec/ports/*"))
        .filter(|port| pod.port(target_port(port)) == Some(admin))
        .map(|port| text(port, "/name"))
        .collect();
    let of_services = context.objects.of("ServiceMonitor").filter(|monitor| {
        let ports = each(monitor, "/spec/endpoints/*/port");
        ports.iter().any(|port| port.as_str().is_some_and(|port| names.contains(&port)))
    });
    let scraping = of_pods.chain(of_services).map(display);
    scraping
        .map(|monitor| format!("{monitor}: it scrapes the admin port of {}; use the port metrics", display(pod.owner)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::rules::Images;
    use crate::rules::mutations::assert_each_mutation_is_reported;

    const GOOD: &str = "
kind: Deployment
metadata: {name: orders}
spec:
  template:
    metadata: {labels: {app: orders}}
    spec:
      containers:
        - name: main
          ports: [{name: admin, containerPort: 9090}, {name: metrics, containerPort: 9091}]
          readinessProbe: {httpGet: {port: metrics}}
---
kind: CronJob
metadata: {name: operate}
spec:
  jobTemplate:
    spec:
      template:
        metadata: {labels: {app: operate}}
        spec: {containers: [{name: main, image: 'here:5000/ticketing/ticketctl:1@sha256:00'}]}
---
kind: Service
metadata: {name: orders}
spec: {selector: {app: orders}, ports: [{name: operator, port: 80, targetPort: admin}, {name: numbers, port: 81, targetPort: 9091}]}
---
kind: PodMonitor
metadata: {name: pods}
spec: {selector: {matchLabels: {app: orders}}, podMetricsEndpoints: [{port: metrics}]}
---
kind: ServiceMonitor
metadata: {name: services}
spec: {selector: {}, endpoints: [{port: numbers}]}
---
kind: NetworkPolicy
metadata: {name: operator}
spec:
  podSelector: {matchLabels: {app: orders}}
  ingress: [{from: [{podSelector: {matchLabels: {app: operate}}}], ports: [{port: admin}]}]
---
kind: NetworkPolicy
metadata: {name: numbers}
spec:
  podSelector: {matchLabels: {app: orders}}
  ingress: [{from: [{namespaceSelector: {matchLabels: {name: monitoring}}}], ports: [{port: metrics}]}]
";

    #[test]
    fn strangers_at_an_admin_port_are_reported() {
        let peer = "{podSelector: {matchLabels: {app: operate}}}";
        assert_each_mutation_is_reported(
            check,
            &Images::default(),
            GOOD,
            &[
                (peer, "{podSelector: {}}", "NetworkPolicy operator: Deployment orders may reach the admin port of"),
                (peer, "{podSelector: {matchLabels: {app: x}}}", "pods that are not in the manifests may reach"),
                (peer, "{ipBlock: {cidr: 10.0.0.0/8}}", "pods of other namespaces or addresses may reach"),
                ("from: [{podSelector: {matchLabels: {app: operate}}}], ", "", "operator: anything may reach"),
                ("ticketctl:1", "web:1", "CronJob operate may reach the admin port of Deployment orders"),
                ("ports: [{port: metrics}]}]", "ports: [{port: admin}]}]", "numbers: pods of other namespaces"),
                ("ports: [{port: metrics}]}]", "ports: [{port: 9000, endPort: 9100}]}]", "numbers: pods of other"),
                (", ports: [{port: metrics}]}]", "}]", "NetworkPolicy numbers: pods of other namespaces"),
            ],
        );
    }

    #[test]
    fn probes_and_monitors_of_an_admin_port_are_reported() {
        assert_each_mutation_is_reported(
            check,
            &Images::default(),
            GOOD,
            &[
                ("{httpGet: {port: metrics}}", "{httpGet: {port: admin}}", "readinessProbe calls the admin port"),
                ("{httpGet: {port: metrics}}", "{tcpSocket: {port: 9090}}", "readinessProbe calls the admin port"),
                (
                    "podMetricsEndpoints: [{port: metrics}]",
                    "podMetricsEndpoints: [{port: admin}]",
                    "PodMonitor pods: it",
                ),
                ("[{port: numbers}]", "[{port: operator}]", "ServiceMonitor services: it scrapes the admin port of"),
            ],
        );
    }
}
