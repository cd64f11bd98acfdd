//! Who speaks to whom, on which port: read out of what the pods themselves are told, never from a
//! list kept beside it.
//!
//! # Why
//! A list of flows would repeat the policies that it is held against. Here a service's settings
//! (`MONGODB_URL`, `ORDERS_URL`, their defaults too), the servers' own files and scripts, the
//! routes of the Gateway and the monitors say what must pass, and nothing else may.

use std::collections::BTreeSet;

use serde_json::Value;

use super::addresses::{Address, of_urls, of_words};
use super::hosts::{Target, resolve};
use super::policies::End;
use crate::lint_infra::environment::{config_map, variables};
use crate::lint_infra::objects::{Objects, list, name, port, selects, text};
use crate::lint_infra::pods::{Pod, pods};
use crate::lint_infra::rules::settings::{self, Programs};

/// Settings that tell browsers where to go: the program itself never does.
const FOR_BROWSERS: [&str; 3] = ["PUBLIC_URL", "STRIPE_JS_ORIGIN", "FAKESTRIPE_PUBLIC_URL"];

/// What one end says to another, on a port of the latter's pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flow {
    pub(super) from: End,
    pub(super) to: End,
    pub(super) port: u16,
    /// The setting or object that says so.
    pub(super) because: String,
}

/// All flows, and what is wrong with the addresses that they were read from.
pub(super) fn read(objects: &Objects, programs: &Programs) -> (BTreeSet<Flow>, Vec<String>) {
    let pods = pods(objects);
    let (mut flows, mut problems) = (BTreeSet::new(), Vec::new());
    for (place, pod) in pods.iter().enumerate() {
        let mut tell = |what: String| problems.push(format!("{}: {what}", pod.called()));
        for Mention { because, host, port, is_setting } in mentions(pod, objects, programs, &mut tell) {
            match resolve(&host, port, objects, &pods) {
                Target::Pods(targets) => flows.extend(targets.into_iter().filter_map(|(target, port)| {
                    // What a pod says to itself passes no policy.
                    let is_itself = target == place && pod.replicas == 1;
                    let flow = Flow { from: End::Pod(place), to: End::Pod(target), port, because: because.clone() };
                    (!is_itself).then_some(flow)
                })),
                Target::Elsewhere(to) if is_setting => {
                    flows.insert(Flow { from: End::Pod(place), to, port: port.unwrap_or_default(), because });
                }
                Target::Unknown(what) if is_setting => tell(format!("{because}: {what}")),
                _ => {}
            }
        }
    }
    flows.extend(routed(objects, &pods));
    flows.extend(monitored(objects, &pods));
    (flows, problems)
}

/// An address that a pod is told.
struct Mention {
    because: String,
    host: String,
    port: Option<u16>,
    /// Whether it is a setting of a program of ours, which means it; other texts may as well be
    /// comments, so of theirs only what is in the overlay counts.
    is_setting: bool,
}

impl Mention {
    fn new((host, port): Address, because: &str, is_setting: bool) -> Self {
        Self { because: because.to_owned(), host, port, is_setting }
    }
}

fn mentions(pod: &Pod<'_>, objects: &Objects, programs: &Programs, tell: &mut impl FnMut(String)) -> Vec<Mention> {
    let mut mentions = Vec::new();
    for container in pod.containers() {
        let program = settings::of(container, programs).map(|(_, settings)| settings);
        let told = match program {
            Some(settings) => settings::told(container, objects, settings),
            None => variables(container, objects),
        };
        for (name, value) in told.iter().filter(|(name, _)| !FOR_BROWSERS.contains(&name.as_str())) {
            match value {
                Some(value) if program.is_some() => {
                    mentions.extend(of_urls(value).into_iter().map(|address| Mention::new(address, name, true)));
                }
                Some(value) => {
                    mentions.extend(of_words(value).into_iter().map(|address| Mention::new(address, name, false)));
                }
                None if program.is_some() && name.ends_with("_URL") => tell(format!(
                    "nobody can see where {name} leads, so no policy can be held against it; \
                     say it in the template of what provides its Secret"
                )),
                None => {}
            }
        }
        for word in ["/command", "/args"].iter().flat_map(|pointer| list(container, pointer)) {
            let addresses = of_words(word.as_str().unwrap_or_default());
            mentions.extend(addresses.into_iter().map(|address| Mention::new(address, "its command", false)));
        }
    }
    mentions.extend(mounted(pod, objects));
    mentions
}

/// The addresses in the files that a pod gets from `ConfigMaps`.
fn mounted(pod: &Pod<'_>, objects: &Objects) -> Vec<Mention> {
    let mut mentions = Vec::new();
    for volume in list(pod.spec, "/volumes") {
        for source in std::iter::once(volume).chain(list(volume, "/projected/sources")) {
            let map = text(source, "/configMap/name");
            let keys = config_map(objects, map).map(|content| content.keys).unwrap_or_default();
            for address in keys.into_values().flatten().flat_map(|file| of_words(&file)) {
                mentions.push(Mention::new(address, &format!("ConfigMap {map}"), false));
            }
        }
    }
    mentions
}

/// From the Gateway to what the routes name.
fn routed(objects: &Objects, pods: &[Pod<'_>]) -> Vec<Flow> {
    let mut flows = Vec::new();
    for route in objects.of("HTTPRoute") {
        for backend in list(route, "/spec/rules").iter().flat_map(|rule| list(rule, "/backendRefs")) {
            let target = resolve(text(backend, "/name"), port(backend, "/port"), objects, pods);
            let Target::Pods(targets) = target else { continue };
            let because = format!("HTTPRoute {}", name(route));
            let flow = |(to, port)| Flow { from: End::Gateway, to: End::Pod(to), port, because: because.clone() };
            flows.extend(targets.into_iter().map(flow));
        }
    }
    flows
}

/// From Prometheus to the ports that monitors name.
fn monitored(objects: &Objects, pods: &[Pod<'_>]) -> Vec<Flow> {
    let mut flows = Vec::new();
    for monitor in objects.of("PodMonitor") {
        let selector = monitor.pointer("/spec/selector").unwrap_or(&Value::Null);
        let because = format!("PodMonitor {}", name(monitor));
        for (place, pod) in pods.iter().enumerate().filter(|(_, pod)| selects(selector, &pod.labels)) {
            let endpoints = list(monitor, "/spec/podMetricsEndpoints").iter();
            let ports = endpoints.filter_map(|endpoint| pod.named_port(text(endpoint, "/port")));
            let flow = |port| Flow { from: End::Monitoring, to: End::Pod(place), port, because: because.clone() };
            flows.extend(ports.map(flow));
        }
    }
    flows
}
