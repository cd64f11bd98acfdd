//! Cilium's own policies, which can select what no `NetworkPolicy` can: a managed Gateway, a proxy on the nodes that
//! Cilium calls the entity `ingress`. They are for nothing else here.

use serde_json::Value;

use super::Network;
use super::policies::{Endpoint, Labels, is_for_others};
use crate::objects::{at, display, each, selects, text};

const KIND: &str = "CiliumNetworkPolicy";
/// The managed Gateway.
const GATEWAY: &str = "ingress";

/// Whether a policy of Cilium lets the managed Gateway connect to a port of pods with these labels.
pub(super) fn lets_gateway_in(network: &Network<'_>, labels: &Labels<'_>, port: u16) -> bool {
    let mut policies = network.context.objects.of(KIND).filter(|policy| is_for(policy, labels));
    policies.any(|policy| ports(policy).any(|listed| listed == Some(port)))
}

/// What Cilium's policies allow although no flow needs it.
pub(super) fn check(network: &Network<'_>) -> Vec<String> {
    network.context.objects.of(KIND).flat_map(|policy| check_policy(network, policy)).collect()
}

fn check_policy(network: &Network<'_>, policy: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let rules = each(policy, "/spec/ingress/*");
    let is_for_gateway = |rule: &Value| {
        let entities = each(rule, "/fromEntities/*");
        entities.len() == 1 && entities.iter().all(|entity| *entity == GATEWAY)
    };
    if policy.pointer("/spec/egress").is_some() || !rules.iter().all(|rule| is_for_gateway(rule)) {
        problems
            .push(format!("it may only allow ingress from the entity {GATEWAY}; use a NetworkPolicy for other flows"));
    }
    if rules.iter().any(|rule| each(rule, "/toPorts/*/ports/*").is_empty()) {
        problems.push("a rule lists no ports; list those that are needed".to_owned());
    }
    let pods = network.context.pods.iter().enumerate();
    let selected: Vec<_> = pods.filter(|(_, pod)| is_for(policy, &pod.labels)).map(|(index, _)| index).collect();
    if !is_for_others(at(policy, "/spec/endpointSelector")) {
        if selected.is_empty() {
            problems.push("its endpointSelector matches no pod; correct the labels".to_owned());
        }
        let pairs = selected.iter().flat_map(|index| ports(policy).map(move |port| (Endpoint::Pod(*index), port)));
        let is_needed = |(pod, port): &(Endpoint, Option<u16>)| {
            let mut flows = network.flows.iter();
            flows.any(|flow| flow.from == Endpoint::Gateway && flow.to == *pod && Some(flow.port) == *port)
        };
        problems.extend(pairs.filter(|pair| !is_needed(pair)).map(|(pod, port)| {
            let (pod, port) = (network.display(&pod), port.unwrap_or_default());
            format!("the Gateway may reach {pod} on port {port}, which no route needs; remove it")
        }));
    }
    problems.into_iter().map(|what| format!("{}: {what}", display(policy))).collect()
}

fn is_for(policy: &Value, labels: &Labels<'_>) -> bool {
    selects(at(policy, "/spec/endpointSelector"), labels)
}

/// The ports of a policy, which Cilium takes as text; none for what is not a number.
fn ports(policy: &Value) -> impl Iterator<Item = Option<u16>> {
    each(policy, "/spec/ingress/*/toPorts/*/ports/*").into_iter().map(|entry| text(entry, "/port").parse().ok())
}
