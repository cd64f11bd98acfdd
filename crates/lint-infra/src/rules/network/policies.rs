//! The semantics of `NetworkPolicies` in Kubernetes: what a policy selects and what its rules allow.

use serde_json::Value;

use crate::objects::{at, each, name, port, selects, text, texts};
use crate::pods::Pod;
use crate::rules::Context;

/// The label whose value is the name of the namespace.
pub(super) const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";
/// The label of a Gateway's pods, where its controller runs them in our namespace.
pub(super) const GATEWAY_LABEL: &str = "gateway.networking.k8s.io/gateway-name";
/// The label of the pods that cert-manager starts to solve an ACME challenge.
const CHALLENGE_LABEL: &str = "acme.cert-manager.io/http01-solver";

pub(super) type Labels<'a> = std::collections::BTreeMap<&'a str, &'a str>;

/// One end of a flow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Endpoint {
    /// A pod of the overlay, by index.
    Pod(usize),
    /// Another namespace of the cluster.
    Namespace(String),
    /// The pods of the Gateway, in whichever namespace.
    Gateway,
    /// Prometheus, in another namespace.
    Monitoring,
    /// Anything outside of the cluster.
    World,
}

/// The direction of traffic, as seen from the pods that a policy selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    pub(super) const BOTH: [Self; 2] = [Self::Ingress, Self::Egress];

    pub(super) fn name(self) -> &'static str {
        if self == Self::Ingress { "ingress" } else { "egress" }
    }

    /// Converts (source, destination) to (the end that the policy selects, the other end). The same call converts back.
    pub(super) fn orient<T>(self, (from, to): (T, T)) -> (T, T) {
        if self == Self::Egress { (from, to) } else { (to, from) }
    }

    /// Whether a policy restricts this direction.
    pub(super) fn is_restricted_by(self, policy: &Value) -> bool {
        let types = each(policy, "/spec/policyTypes/*");
        // The default is ingress, and egress if there are rules for it.
        let is_default = types.is_empty() && (self == Self::Ingress || policy.pointer("/spec/egress").is_some());
        is_default || types.iter().any(|one| one.as_str().is_some_and(|one| one.eq_ignore_ascii_case(self.name())))
    }

    /// The rules of a policy for this direction.
    pub(super) fn rules(self, policy: &Value) -> Vec<&Value> {
        each(policy, &format!("/spec/{}/*", self.name()))
    }
}

/// Whether the policy selects pods with these labels.
pub(super) fn is_for(policy: &Value, labels: &Labels<'_>) -> bool {
    selects(at(policy, "/spec/podSelector"), labels)
}

/// Whether the selector of a policy is for pods that are not in the manifests: those of a Gateway or of a challenge.
pub(super) fn is_for_others(selector: &Value) -> bool {
    let expressions = each(selector, "/matchExpressions/*").into_iter().map(|one| text(one, "/key"));
    let mut keys = expressions.chain(texts(selector, "/matchLabels").into_keys());
    keys.any(|key| key == GATEWAY_LABEL || key == CHALLENGE_LABEL)
}

/// The peers of a rule; a rule without peers allows all of them.
pub(super) fn peers(rule: &Value) -> Vec<&Value> {
    [each(rule, "/from/*"), each(rule, "/to/*")].concat()
}

/// Whether a rule allows traffic with an endpoint on a port of the pod that listens.
pub(super) fn allows(
    rule: &Value,
    other: &Endpoint,
    (protocol, port): (&str, u16),
    listener: Option<&Pod<'_>>,
    context: &Context<'_>,
) -> bool {
    let (peers, ports) = (peers(rule), each(rule, "/ports/*"));
    let is_allowed = |entry: &Value| {
        let given = Some(text(entry, "/protocol")).filter(|given| !given.is_empty()).unwrap_or("TCP");
        given == protocol && includes(entry, port, listener)
    };
    (peers.is_empty() || peers.iter().any(|peer| is_peer(peer, other, context)))
        && (ports.is_empty() || ports.iter().any(|entry| is_allowed(entry)))
}

/// Whether a peer of a rule includes an endpoint.
pub(super) fn is_peer(peer: &Value, other: &Endpoint, context: &Context<'_>) -> bool {
    // The Gateway too: a managed one is not a pod.
    if peer.get("ipBlock").is_some() {
        return matches!(other, Endpoint::World | Endpoint::Gateway);
    }
    let namespaces = peer.get("namespaceSelector");
    let includes = |selector, namespace| selects(selector, &Labels::from([(NAMESPACE_LABEL, namespace)]));
    let is_here = namespaces.is_none_or(|selector| includes(selector, context.objects.namespace()));
    let pods = at(peer, "/podSelector");
    match other {
        Endpoint::Pod(index) => is_here && context.pods.get(*index).is_some_and(|pod| pod.is_selected_by(pods)),
        // Any other namespace may be the Gateway's; in ours, a pod selector is assumed to exclude its pods.
        Endpoint::Gateway if namespaces.is_some() => !is_here || pods.is_null(),
        Endpoint::Gateway => {
            let mut gateways = context.objects.of("Gateway");
            gateways.any(|gateway| selects(pods, &Labels::from([(GATEWAY_LABEL, name(gateway))])))
        }
        Endpoint::Monitoring => namespaces.is_some(),
        // A selector of other labels may include any namespace.
        Endpoint::Namespace(there) => namespaces.is_some_and(|selector| {
            !texts(selector, "/matchLabels").contains_key(NAMESPACE_LABEL) || includes(selector, there)
        }),
        Endpoint::World => false,
    }
}

/// Whether an entry of a rule's ports includes a port. The listening pod resolves the name of a port.
pub(super) fn includes(entry: &Value, number: u16, listener: Option<&Pod<'_>>) -> bool {
    let Some(given) = entry.get("port") else { return true };
    let first = listener.map_or_else(|| port(given), |pod| pod.port(given));
    first.is_some_and(|first| (first..=port(at(entry, "/endPort")).unwrap_or(first)).contains(&number))
}
