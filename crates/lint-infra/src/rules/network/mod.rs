//! Checks that `NetworkPolicies` allow the flows that the configuration of the pods needs, and nothing else: `flows`
//! reads what is needed, `policies` what is allowed, and this module compares them.
//!
//! Policies may also allow DNS, and other namespaces to read metrics (on the port `metrics`). Policies for pods
//! that are not in the manifests, those of a Gateway and of cert-manager's challenges, may allow anything. `admin`
//! checks the ports `admin`, which are for ticketctl alone, and `cilium` the policies for a managed Gateway.

mod addresses;
mod admin;
mod cilium;
mod flows;
mod hosts;
mod policies;
#[cfg(test)]
mod tests;
mod unneeded;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use self::flows::Flow;
use self::policies::{Direction, Endpoint, GATEWAY_LABEL, Labels, allows, is_for, is_for_others};
use super::Context;
use crate::objects::{at, display, name};
use crate::pods::Pod;

const DNS: u16 = 53;

pub(super) fn check(context: &Context<'_>) -> Vec<String> {
    let (flows, mut problems) = flows::read(context);
    let network = Network { context, flows };
    problems.extend(Direction::BOTH.into_iter().filter_map(|direction| network.open_default(direction)));
    problems.extend(network.flows.iter().flat_map(|flow| network.blocked(flow)));
    problems.extend(context.pods.iter().enumerate().filter_map(|(index, pod)| network.missing_dns(index, pod)));
    problems.extend(network.policies().flat_map(|policy| unneeded::check(&network, policy)));
    problems.extend(cilium::check(&network));
    problems.extend(admin::check(context));
    problems
}

struct Network<'a> {
    context: &'a Context<'a>,
    flows: BTreeSet<Flow>,
}

impl Network<'_> {
    fn policies(&self) -> impl Iterator<Item = &Value> {
        self.context.objects.of("NetworkPolicy")
    }

    /// Reports that no policy denies by default all traffic in this direction.
    fn open_default(&self, direction: Direction) -> Option<String> {
        let denies_all = |policy: &Value| {
            let selects_all = policy.pointer("/spec/podSelector") == Some(&json!({}));
            selects_all && direction.is_restricted_by(policy) && direction.rules(policy).is_empty()
        };
        let name = direction.name();
        (!self.policies().any(denies_all)).then(|| {
            format!("no NetworkPolicy denies all {name} by default; add one with podSelector {{}} and no {name} rules")
        })
    }

    fn pod(&self, endpoint: &Endpoint) -> Option<&Pod<'_>> {
        if let Endpoint::Pod(index) = endpoint { self.context.pods.get(*index) } else { None }
    }

    fn display(&self, endpoint: &Endpoint) -> String {
        match endpoint {
            Endpoint::Pod(_) => self.pod(endpoint).map(|pod| display(pod.owner)).unwrap_or_default(),
            Endpoint::Namespace(name) => format!("namespace {name}"),
            Endpoint::Gateway => "the Gateway".to_owned(),
            Endpoint::Monitoring => "Prometheus".to_owned(),
            Endpoint::World => "the internet".to_owned(),
        }
    }

    /// Whether the policies for these labels allow traffic with another endpoint. Without policies, all is allowed.
    fn is_allowed(
        &self,
        labels: &Labels<'_>,
        direction: Direction,
        other: &Endpoint,
        port: (&str, u16),
        listener: Option<&Pod<'_>>,
    ) -> bool {
        let policies = self.policies().filter(|policy| direction.is_restricted_by(policy) && is_for(policy, labels));
        let mut policies = policies.peekable();
        let is_unrestricted = policies.peek().is_none();
        let mut rules = policies.flat_map(|policy| direction.rules(policy));
        is_unrestricted || rules.any(|rule| allows(rule, other, port, listener, self.context))
    }

    /// The labels of an endpoint in our namespace. The pods of a Gateway are there if a policy selects them.
    fn labels(&self, endpoint: &Endpoint) -> Option<Labels<'_>> {
        if let Endpoint::Gateway = endpoint {
            let gateways = self.context.objects.of("Gateway");
            let mut labels = gateways.map(|gateway| Labels::from([(GATEWAY_LABEL, name(gateway))]));
            let is_for_gateway = |policy: &Value, labels: &Labels<'_>| {
                is_for_others(at(policy, "/spec/podSelector")) && is_for(policy, labels)
            };
            return labels.find(|labels| self.policies().any(|policy| is_for_gateway(policy, labels)));
        }
        self.pod(endpoint).map(|pod| pod.labels.clone())
    }

    /// Reports the directions in which the policies block a flow.
    fn blocked(&self, flow: &Flow) -> Vec<String> {
        let Flow { from, to, port, reason } = flow;
        let problem = |direction: Direction| {
            let (this_end, other) = direction.orient((from, to));
            let labels = self.labels(this_end)?;
            let is_managed_gateway = direction == Direction::Ingress && *other == Endpoint::Gateway;
            let is_allowed = (is_managed_gateway && cilium::lets_gateway_in(self, &labels, *port))
                || self.is_allowed(&labels, direction, other, ("TCP", *port), self.pod(to));
            let [from, to, this_end] = [from, to, this_end].map(|endpoint| self.display(endpoint));
            let (flow, direction) = (format!("{from} must reach {to} on port {port} ({reason})"), direction.name());
            (!is_allowed).then(|| format!("{flow}, but no NetworkPolicy allows that {direction} of {this_end}; add it"))
        };
        Direction::BOTH.into_iter().filter_map(problem).collect()
    }

    /// Reports a pod that may not use DNS, although it calls others by name.
    fn missing_dns(&self, index: usize, pod: &Pod<'_>) -> Option<String> {
        let dns = Endpoint::Namespace("kube-system".to_owned());
        let is_allowed = |protocol| self.is_allowed(&pod.labels, Direction::Egress, &dns, (protocol, DNS), None);
        let calls = self.flows.iter().any(|flow| flow.from == Endpoint::Pod(index));
        let is_missing = calls && !["UDP", "TCP"].into_iter().all(is_allowed);
        is_missing.then(|| pod.problem("no NetworkPolicy allows DNS; allow egress to kube-system, UDP and TCP 53"))
    }
}
