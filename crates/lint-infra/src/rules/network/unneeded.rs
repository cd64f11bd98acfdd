//! Finds what a policy allows although no flow needs it.

use serde_json::Value;

use super::policies::{Direction, Endpoint, includes, is_for, is_for_others, is_peer, peers};
use super::{DNS, Network};
use crate::objects::{at, display, each, plain};

pub(super) fn check(network: &Network<'_>, policy: &Value) -> Vec<String> {
    if is_for_others(at(policy, "/spec/podSelector")) {
        return Vec::new();
    }
    let pods = network.context.pods.iter().enumerate();
    let selected: Vec<_> = pods.filter(|(_, pod)| is_for(policy, &pod.labels)).map(|(index, _)| index).collect();
    let mut problems = Vec::new();
    if selected.is_empty() {
        problems.push("its podSelector matches no pod; correct the labels".to_owned());
    }
    for direction in Direction::BOTH.into_iter().filter(|direction| direction.is_restricted_by(policy)) {
        for rule in direction.rules(policy) {
            let mut ports = each(rule, "/ports/*");
            if ports.is_empty() {
                problems.push(format!("a rule for {} lists no ports; list those that are needed", direction.name()));
            }
            ports.retain(|entry| direction == Direction::Ingress || *at(entry, "/port") != DNS);
            let peers: Vec<_> = peers(rule).into_iter().map(Some).collect();
            if direction == Direction::Ingress && peers.is_empty() {
                problems
                    .push("a rule for ingress lists no peers, so that everything may connect; list them".to_owned());
            }
            for peer in if peers.is_empty() { vec![None] } else { peers } {
                let pairs = ports.iter().flat_map(|entry| selected.iter().map(move |index| (*index, *entry)));
                problems.extend(pairs.flat_map(|(index, entry)| unneeded(network, index, direction, peer, entry)));
            }
        }
    }
    problems.into_iter().map(|what| format!("{}: {what}", display(policy))).collect()
}

/// The traffic that one peer and one port of a rule allow for one of the policy's pods although no flow needs it.
fn unneeded(
    network: &Network<'_>,
    index: usize,
    direction: Direction,
    peer: Option<&Value>,
    entry: &Value,
) -> Vec<String> {
    let this_pod = Endpoint::Pod(index);
    let is_included = |endpoint: &Endpoint| peer.is_none_or(|peer| is_peer(peer, endpoint, network.context));
    let is_namespace = peer.is_some_and(|peer| peer.get("namespaceSelector").is_some());
    if direction == Direction::Ingress && is_namespace && is_metrics(network, &this_pod, entry) {
        return Vec::new();
    }
    // If the peer selects pods, a flow must exist with each of them; otherwise, one flow with the peer is enough.
    let pods = (0..network.context.pods.len()).map(Endpoint::Pod);
    let mut others: Vec<_> = pods.filter(|pod| peer.is_some() && is_included(pod)).map(Some).collect();
    if others.is_empty() {
        others.push(None);
    }
    others.retain(|other| other.as_ref() != Some(&this_pod));
    let is_needed = |other: &Option<Endpoint>| {
        network.flows.iter().any(|flow| {
            let (this, that) = direction.orient((&flow.from, &flow.to));
            let is_other = other.as_ref().map_or_else(|| is_included(that), |other| that == other);
            *this == this_pod && is_other && includes(entry, flow.port, network.pod(&flow.to))
        })
    };
    others.retain(|other| !is_needed(other));
    let problem = |other: Option<Endpoint>| {
        let other = other.map_or_else(|| "any other peer of the rule".to_owned(), |other| network.display(&other));
        let (from, to) = direction.orient((network.display(&this_pod), other));
        let port = plain(at(entry, "/port"));
        format!("{from} may reach {to} on port {port}, which nothing in its configuration needs; remove it")
    };
    others.into_iter().map(problem).collect()
}

/// Whether an entry is the port `metrics`, which Prometheus reads in clusters that have Prometheus.
fn is_metrics(network: &Network<'_>, endpoint: &Endpoint, entry: &Value) -> bool {
    let ports = network.pod(endpoint).map(|pod| (pod.port(&"metrics".into()), pod.port(at(entry, "/port"))));
    ports.is_some_and(|(metrics, port)| metrics.is_some() && metrics == port) && entry.get("endPort").is_none()
}
