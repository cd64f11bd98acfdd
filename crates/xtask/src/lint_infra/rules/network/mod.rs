//! `NetworkPolicies` let pass what the pods' own configuration needs, and nothing else: `flows` reads
//! what is needed, `policies` what passes; here the two are held against each other.
//!
//! Beyond those flows, a policy may allow DNS (port 53), other namespaces to read
//! metrics (the port `admin`), and what it says about pods that are not in the manifests: a Gateway's
//! own, and cert-manager's challenges.

mod addresses;
mod flows;
mod hosts;
mod needless;
mod policies;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use self::flows::Flow;
use self::policies::{End, GATEWAY_LABEL, Way, admits, governs, has_port, is_for, is_for_others, rules};
use crate::lint_infra::objects::{Objects, name};
use crate::lint_infra::pods::{Pod, pods};
use crate::lint_infra::rules::settings::Programs;

const DNS: u16 = 53;

/// What cannot pass and must, and what may pass and need not.
pub(in crate::lint_infra) fn check(objects: &Objects, programs: &Programs) -> Vec<String> {
    let (flows, mut problems) = flows::read(objects, programs);
    let pods = pods(objects);
    let policies: Vec<_> = objects.of("NetworkPolicy").collect();
    let net = Net { objects, pods: &pods, policies: &policies, flows: &flows };
    problems.extend(net.defaults());
    problems.extend(net.flows.iter().flat_map(|flow| net.blocked(flow)));
    problems.extend(pods.iter().enumerate().filter_map(|(place, pod)| net.nameless(place, pod)));
    problems.extend(policies.iter().flat_map(|policy| needless::check(&net, policy)));
    problems
}

type Labels<'a> = BTreeMap<&'a str, &'a str>;

struct Net<'a> {
    objects: &'a Objects,
    pods: &'a [Pod<'a>],
    policies: &'a [&'a Value],
    flows: &'a BTreeSet<Flow>,
}

impl Net<'_> {
    /// Whatever no policy names is closed, both ways.
    fn defaults(&self) -> Vec<String> {
        let closes = |policy: &&Value, way| {
            let selects_all = policy.pointer("/spec/podSelector").is_some_and(|all| *all == json!({}));
            selects_all && governs(policy, way) && rules(policy, way).is_empty()
        };
        let ways = [Way::In, Way::Out].into_iter();
        let open = ways.filter(|way| !self.policies.iter().any(|policy| closes(policy, *way)));
        open.map(|way| {
            let way = way.called();
            format!("no NetworkPolicy closes all {way} by default; add one with podSelector {{}} and no {way} rules")
        })
        .collect()
    }

    fn pod(&self, end: &End) -> Option<&Pod<'_>> {
        if let End::Pod(place) = end { self.pods.get(*place) } else { None }
    }

    fn called(&self, end: &End) -> String {
        match end {
            End::Pod(_) => self.pod(end).map(Pod::called).unwrap_or_default(),
            End::Namespace(name) => format!("namespace {name}"),
            End::Gateway => "the Gateway".to_owned(),
            End::Monitoring => "Prometheus".to_owned(),
            End::World => "the internet".to_owned(),
        }
    }

    /// Whether the policies for these labels let this other end through on a port. Without any policy all pass.
    fn passes(
        &self,
        labels: &Labels<'_>,
        way: Way,
        other: &End,
        (protocol, port): (&str, u16),
        listener: Option<&Pod<'_>>,
    ) -> bool {
        let governing = self.policies.iter().filter(|policy| governs(policy, way) && is_for(policy, labels));
        let mut is_governed = false;
        for rule in governing.inspect(|_| is_governed = true).flat_map(|policy| rules(policy, way)) {
            if admits(rule, way, other, self.pods, self.objects) && has_port(rule, protocol, port, listener) {
                return true;
            }
        }
        !is_governed
    }

    /// The labels by which policies know this end, if it is beside us in the namespace. A Gateway's
    /// pods are where a policy is for them.
    fn labels(&self, end: &End) -> Option<Labels<'_>> {
        match end {
            End::Pod(place) => self.pods.get(*place).map(|pod| pod.labels.clone()),
            End::Gateway => {
                let gateways = self.objects.of("Gateway").map(|gateway| Labels::from([(GATEWAY_LABEL, name(gateway))]));
                let has_policy = |labels: &Labels<'_>| {
                    self.policies.iter().any(|policy| is_for_others(policy) && is_for(policy, labels))
                };
                gateways.into_iter().find(has_policy)
            }
            _ => None,
        }
    }

    fn blocked(&self, flow: &Flow) -> Vec<String> {
        let ends = [(Way::Out, &flow.from, &flow.to), (Way::In, &flow.to, &flow.from)];
        let mut problems = Vec::new();
        for (way, own, other) in ends {
            let Some(labels) = self.labels(own) else { continue };
            if !self.passes(&labels, way, other, ("TCP", flow.port), self.pod(&flow.to)) {
                let (from, to) = (self.called(&flow.from), self.called(&flow.to));
                let (port, because, way, own) = (flow.port, &flow.because, way.called(), self.called(own));
                problems.push(format!(
                    "{from} must reach {to} on port {port} ({because}), but no NetworkPolicy allows that {way} of {own}; add it"
                ));
            }
        }
        problems
    }

    /// A pod that calls somebody by name has to ask for the name first.
    fn nameless(&self, place: usize, pod: &Pod<'_>) -> Option<String> {
        let calls = self.flows.iter().any(|flow| flow.from == End::Pod(place));
        let dns = End::Namespace("kube-system".to_owned());
        let asks =
            ["UDP", "TCP"].iter().all(|protocol| self.passes(&pod.labels, Way::Out, &dns, (protocol, DNS), None));
        (calls && !asks).then(|| {
            format!(
                "{}: no NetworkPolicy lets it ask for names; allow egress to kube-system, UDP and TCP 53",
                pod.called()
            )
        })
    }
}
