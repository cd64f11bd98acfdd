//! Resolves the hosts of addresses.

use super::addresses::is_local;
use super::policies::{Endpoint, NAMESPACE_LABEL};
use crate::objects::{at, each, name, port as port_of};
use crate::rules::Context;
use crate::rules::selectors::target_port;

/// The target of an address.
pub(super) enum Target {
    /// Pods of the overlay, by index, each with the port that is reached.
    Pods(Vec<(usize, u16)>),
    Elsewhere(Endpoint),
    /// No known target, with the reason.
    Unknown(String),
}

/// Resolves a host. A name belongs to the cluster if it is `service` or `pod.service`, alone or followed by our
/// namespace; if it is `service.namespace`, and a policy names that namespace; or if it ends in `.svc`. Any other name
/// is outside of the cluster.
pub(super) fn resolve(host: &str, port: Option<u16>, context: &Context<'_>) -> Target {
    if is_local(host) {
        return Target::Pods(Vec::new());
    }
    let short = host.strip_suffix(".cluster.local").unwrap_or(host);
    let (short, has_svc) = short.strip_suffix(".svc").map_or((short, false), |short| (short, true));
    let mut labels: Vec<_> = short.split('.').collect();
    match labels.as_slice() {
        [_, .., namespace] if *namespace == context.objects.namespace() => _ = labels.pop(),
        [.., namespace] if has_svc => return Target::Elsewhere(Endpoint::Namespace((*namespace).to_owned())),
        _ => {}
    }
    let (pod, name_of_service) = match labels.as_slice() {
        [service] => ("", *service),
        [pod, service] => (*pod, *service),
        _ => return Target::Elsewhere(Endpoint::World),
    };
    let Some(service) = context.objects.find("Service", name_of_service) else {
        return match pod {
            "" => Target::Unknown(format!("there is no Service {name_of_service}; add it, or correct the address")),
            _ if has_policy(name_of_service, context) => {
                Target::Elsewhere(Endpoint::Namespace(name_of_service.to_owned()))
            }
            _ => Target::Elsewhere(Endpoint::World),
        };
    };
    let pods = context.pods.iter().enumerate().filter(|(_, pod)| pod.is_behind(service));
    // The address of a single pod bypasses the ports of the Service.
    if !pod.is_empty() {
        let named = pods.filter(|(_, target)| pod.starts_with(name(target.owner)));
        return Target::Pods(named.filter_map(|(index, _)| Some((index, port?))).collect());
    }
    match each(service, "/spec/ports/*").into_iter().find(|one| port_of(at(one, "/port")) == port) {
        Some(one) => Target::Pods(pods.filter_map(|(index, pod)| Some((index, pod.port(target_port(one))?))).collect()),
        None => Target::Unknown(format!(
            "Service {name_of_service} has no port {}; correct the address",
            port.unwrap_or_default()
        )),
    }
}

/// Whether a policy names this namespace in one of its peers.
fn has_policy(namespace: &str, context: &Context<'_>) -> bool {
    let patterns = ["/spec/egress/*/to/*", "/spec/ingress/*/from/*"];
    let mut policies = context.objects.of("NetworkPolicy");
    policies.any(|policy| {
        let mut peers = patterns.into_iter().flat_map(|pattern| each(policy, pattern));
        peers.any(|peer| {
            at(peer, "/namespaceSelector/matchLabels").get(NAMESPACE_LABEL).is_some_and(|name| name == namespace)
        })
    })
}
