//! What a policy allows and no flow needs.

use serde_json::Value;

use super::policies::End;
use super::policies::{Way, governs, is_for, is_for_others, is_peer, peers, range, rules};
use super::{DNS, Net};
use crate::lint_infra::objects::{called, list, text};

/// Everything needless about one policy.
pub(super) fn check(net: &Net<'_>, policy: &Value) -> Vec<String> {
    if is_for_others(policy) {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut tell = |what: String| problems.push(format!("{}: {what}", called(policy)));
    let own: Vec<_> =
        (0..).zip(net.pods).filter(|(_, pod)| is_for(policy, &pod.labels)).map(|(place, _)| place).collect();
    if own.is_empty() {
        tell("its podSelector matches no pod; correct the labels".to_owned());
    }
    for way in [Way::In, Way::Out].into_iter().filter(|way| governs(policy, *way)) {
        for rule in rules(policy, way) {
            if list(rule, "/ports").is_empty() {
                tell(format!("a rule for {} names no ports; name those that are needed", way.called()));
            }
            let peers = peers(rule, way);
            let peers: Vec<_> = if peers.is_empty() { vec![None] } else { peers.iter().map(Some).collect() };
            for entry in
                list(rule, "/ports").iter().filter(|entry| way == Way::In || port_said(entry) != DNS.to_string())
            {
                for peer in &peers {
                    own.iter().flat_map(|place| unneeded(net, *place, way, *peer, entry)).for_each(&mut tell);
                }
            }
        }
    }
    problems
}

/// What one peer and port of a rule let pass for one of its pods without need.
fn unneeded(net: &Net<'_>, place: usize, way: Way, peer: Option<&Value>, entry: &Value) -> Vec<String> {
    let own = End::Pod(place);
    let is_meant = |end: &End| peer.is_none_or(|peer| is_peer(peer, end, net.pods, net.objects));
    // A rule for everybody or for what is elsewhere serves somebody; one for pods serves each of them.
    let mut others: Vec<_> = match peer {
        Some(_) => (0..net.pods.len()).map(End::Pod).filter(|end| is_meant(end)).map(Some).collect(),
        None => Vec::new(),
    };
    if others.is_empty() {
        others.push(None);
    }
    others.retain(|other| other.as_ref() != Some(&own));
    if way == Way::In && peer.is_some_and(|peer| peer.get("namespaceSelector").is_some()) && is_admin(net, place, entry)
    {
        return Vec::new();
    }
    let needless = others.into_iter().filter(|other| {
        !net.flows.iter().any(|flow| {
            let (this, that) = if way == Way::In { (&flow.to, &flow.from) } else { (&flow.from, &flow.to) };
            let is_other = other.as_ref().map_or_else(|| is_meant(that), |other| that == other);
            let is_port =
                range(entry, net.pod(&flow.to)).is_some_and(|(first, last)| (first..=last).contains(&flow.port));
            *this == own && is_other && is_port
        })
    });
    needless
        .map(|other| {
            let other = other.map_or_else(|| "whatever else it names".to_owned(), |other| net.called(&other));
            let (from, to) = if way == Way::In { (other, net.called(&own)) } else { (net.called(&own), other) };
            let port = port_said(entry);
            format!("{from} may reach {to} on port {port}, which nothing in its configuration needs; take it out")
        })
        .collect()
}

/// Whether it is the port that Prometheus asks for metrics, which it does in clusters that have one.
fn is_admin(net: &Net<'_>, place: usize, entry: &Value) -> bool {
    let admin = net.pods.get(place).and_then(|pod| Some((pod, pod.named_port("admin")?)));
    admin.is_some_and(|(pod, admin)| range(entry, Some(pod)) == Some((admin, admin)))
}

/// The port as the rule gives it.
fn port_said(entry: &Value) -> String {
    let name = text(entry, "/port");
    if name.is_empty() { entry.get("port").map(ToString::to_string).unwrap_or_default() } else { name.to_owned() }
}
