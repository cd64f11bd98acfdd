//! Whom a host name in a setting reaches.

use super::addresses::is_local;
use super::policies::{End, NAMESPACE_LABEL};
use crate::lint_infra::objects::{Objects, list, name, port as port_of, texts};
use crate::lint_infra::pods::Pod;
use crate::lint_infra::rules::targets::{behind, target_port};

/// What is at the other end of an address.
pub(super) enum Target {
    /// Pods of the overlay, by their places, with the port of theirs that is reached.
    Pods(Vec<(usize, u16)>),
    /// Something else.
    Elsewhere(End),
    /// Nothing: why.
    Unknown(String),
}

/// Whom a host name reaches. Within the cluster a name has no dot, or is `pod.service`, or ends in
/// the name of this namespace, of one that a policy names, or in `.svc`; any other one is outside.
pub(super) fn resolve(host: &str, port: Option<u16>, objects: &Objects, pods: &[Pod<'_>]) -> Target {
    if is_local(host) {
        return Target::Pods(Vec::new());
    }
    let short = host.strip_suffix(".cluster.local").unwrap_or(host);
    let (short, is_cluster) = short.strip_suffix(".svc").map_or((short, false), |short| (short, true));
    let mut parts: Vec<_> = short.split('.').collect();
    let namespace = objects.namespace();
    if parts.len() > 1 && parts.last() == Some(&namespace) {
        parts.pop();
    } else if is_cluster {
        return Target::Elsewhere(End::Namespace((*parts.last().unwrap_or(&"")).to_owned()));
    }
    let service = match parts.as_slice() {
        [service] | [_, service] => objects.find("Service", service).map(|found| (*service, found)),
        _ => None,
    };
    let Some((service, found)) = service else {
        return match parts.as_slice() {
            [_, there] if is_named(there, objects) => Target::Elsewhere(End::Namespace((*there).to_owned())),
            [one] => Target::Unknown(format!("there is no Service {one}; add it, or correct the address")),
            _ => Target::Elsewhere(End::World),
        };
    };
    let targets = behind(found, pods).filter(|pod| pod.is_long_running());
    // By the name of one pod, no Service stands between.
    if let [pod, _] = parts.as_slice() {
        let targets = targets.filter(|target| pod.starts_with(name(target.owner)));
        return Target::Pods(targets.filter_map(|target| Some((place(target, pods)?, port?))).collect());
    }
    let Some(service_port) = list(found, "/spec/ports").iter().find(|one| port_of(one, "/port") == port) else {
        let port = port.unwrap_or_default();
        return Target::Unknown(format!("Service {service} has no port {port}; correct the address"));
    };
    Target::Pods(
        targets.filter_map(|target| Some((place(target, pods)?, target_port(service_port, target)?))).collect(),
    )
}

/// Whether a policy is about the namespace of this name.
fn is_named(namespace: &str, objects: &Objects) -> bool {
    let policies = objects.of("NetworkPolicy");
    let rules = policies.flat_map(|policy| list(policy, "/spec/egress").iter().chain(list(policy, "/spec/ingress")));
    let mut peers = rules.flat_map(|rule| list(rule, "/to").iter().chain(list(rule, "/from")));
    peers.any(|peer| texts(peer, "/namespaceSelector/matchLabels").get(NAMESPACE_LABEL) == Some(&namespace))
}

fn place(pod: &Pod<'_>, pods: &[Pod<'_>]) -> Option<usize> {
    pods.iter().position(|one| std::ptr::eq(one, pod))
}
