//! `NetworkPolicies` as Kubernetes applies them: what a policy selects, and what one of its rules
//! lets pass. No judgement here.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::lint_infra::objects::{Objects, list, name, selects, text, texts};
use crate::lint_infra::pods::Pod;

/// The label that holds a namespace's own name.
pub(super) const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";
/// A label that whatever carries out a Gateway puts on its pods where it runs them beside ours.
pub(super) const GATEWAY_LABEL: &str = "gateway.networking.k8s.io/gateway-name";
/// A label of the pods that cert-manager starts to answer a certificate authority's question.
pub(super) const CHALLENGE_LABEL: &str = "acme.cert-manager.io/http01-solver";

/// One end of a flow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// A pod of the overlay, by its place among them.
    Pod(usize),
    /// Another namespace of the cluster.
    Namespace(String),
    /// Whatever carries out the Gateway: in which namespace is the cluster's business.
    Gateway,
    /// Whatever scrapes metrics, in another namespace.
    Monitoring,
    /// Outside of the cluster.
    World,
}

/// Which way traffic goes, seen from the pod that a policy is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
}

impl Way {
    fn policy_type(self) -> &'static str {
        if self == Self::In { "Ingress" } else { "Egress" }
    }

    /// How messages call it.
    pub(super) fn called(self) -> &'static str {
        if self == Self::In { "ingress" } else { "egress" }
    }
}

/// Whether a policy governs this way at all.
pub(super) fn governs(policy: &Value, way: Way) -> bool {
    let types = list(policy, "/spec/policyTypes");
    // Without types, a policy is for ingress, and for egress if it has rules for that.
    let implied = way == Way::In || policy.pointer("/spec/egress").is_some();
    if types.is_empty() { implied } else { types.iter().any(|one| one == way.policy_type()) }
}

/// The policy's rules for this way.
pub(super) fn rules(policy: &Value, way: Way) -> &[Value] {
    list(policy, &format!("/spec/{}", way.called()))
}

/// Whether the policy is for pods with these labels.
pub(super) fn is_for(policy: &Value, labels: &BTreeMap<&str, &str>) -> bool {
    selects(policy.pointer("/spec/podSelector").unwrap_or(&Value::Null), labels)
}

/// Whether the policy is for pods that are not in the manifests but are started by what carries
/// out a Gateway or a certificate.
pub(super) fn is_for_others(policy: &Value) -> bool {
    let selector = policy.pointer("/spec/podSelector").unwrap_or(&Value::Null);
    let equal = texts(selector, "/matchLabels");
    let mut keys = list(selector, "/matchExpressions").iter().map(|one| text(one, "/key")).chain(equal.into_keys());
    keys.any(|key| key == GATEWAY_LABEL || key == CHALLENGE_LABEL)
}

/// The other ends that a rule has; all of them if it names none.
pub(super) fn peers(rule: &Value, way: Way) -> &[Value] {
    list(rule, if way == Way::In { "/from" } else { "/to" })
}

/// Whether the rule lets this other end through, whatever the port.
pub(super) fn admits(rule: &Value, way: Way, other: &End, pods: &[Pod<'_>], objects: &Objects) -> bool {
    let peers = peers(rule, way);
    peers.is_empty() || peers.iter().any(|peer| is_peer(peer, other, pods, objects))
}

/// Whether one `from` or `to` means this end.
pub(super) fn is_peer(peer: &Value, other: &End, pods: &[Pod<'_>], objects: &Objects) -> bool {
    if peer.get("ipBlock").is_some() {
        return matches!(other, End::World | End::Gateway);
    }
    let namespaces = peer.get("namespaceSelector");
    let here = BTreeMap::from([(NAMESPACE_LABEL, objects.namespace())]);
    let is_here = namespaces.is_none_or(|selector| selects(selector, &here));
    let pods_of = peer.get("podSelector").unwrap_or(&Value::Null);
    match other {
        End::Pod(place) => is_here && pods.get(*place).is_some_and(|pod| selects(pods_of, &pod.labels)),
        // Where its pods are is the cluster's business: beside ours under a label of theirs, or elsewhere.
        End::Gateway => match namespaces {
            Some(_) => !is_here || pods_of.is_null(),
            None => objects.of("Gateway").any(|one| selects(pods_of, &BTreeMap::from([(GATEWAY_LABEL, name(one))]))),
        },
        End::Monitoring => namespaces.is_some(),
        End::Namespace(there) => namespaces.is_some_and(|selector| {
            let there = BTreeMap::from([(NAMESPACE_LABEL, there.as_str())]);
            let by_name = texts(selector, "/matchLabels").contains_key(NAMESPACE_LABEL);
            !by_name || selects(selector, &there)
        }),
        End::World => false,
    }
}

/// Whether the rule lets this port through. A port's name is looked up in the pod that listens.
pub(super) fn has_port(rule: &Value, protocol: &str, port: u16, listener: Option<&Pod<'_>>) -> bool {
    let ports = list(rule, "/ports");
    ports.is_empty()
        || ports.iter().any(|one| {
            let said = Some(text(one, "/protocol")).filter(|said| !said.is_empty()).unwrap_or("TCP");
            let Some((first, last)) = range(one, listener) else { return false };
            said == protocol && (first..=last).contains(&port)
        })
}

/// The ports that one entry of a rule means.
pub(super) fn range(entry: &Value, listener: Option<&Pod<'_>>) -> Option<(u16, u16)> {
    let first = match (entry.get("port"), listener) {
        (None, _) => return Some((0, u16::MAX)),
        (Some(given), Some(pod)) => pod.port(given)?,
        (Some(given), None) => given.as_u64().and_then(|port| u16::try_from(port).ok())?,
    };
    let last = entry.get("endPort").and_then(Value::as_u64).and_then(|port| u16::try_from(port).ok());
    Some((first, last.unwrap_or(first)))
}
