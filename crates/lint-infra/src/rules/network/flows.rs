//! The flows between pods and to the outside, read from the configuration of the pods.
//!
//! # Why
//! A list of flows would only repeat the policies. What a pod must reach is already in the configuration: in settings
//! such as `MONGODB_URL` with their defaults, in the files and scripts of servers, in routes and in monitors.

use std::collections::BTreeSet;

use super::addresses::{of_urls, of_words};
use super::hosts::{Target, resolve};
use super::policies::Endpoint;
use crate::environment::content;
use crate::objects::{at, display, each, port, text};
use crate::pods::Pod;
use crate::rules::{Context, settings};

/// Settings with addresses that only browsers call.
const FOR_BROWSERS: [&str; 3] = ["PUBLIC_URL", "STRIPE_JS_ORIGIN", "FAKESTRIPE_PUBLIC_URL"];

/// The address of the bucket of the backups, which is called by a program that is not ours.
const BUCKET: &str = "S3_ENDPOINT";

/// Traffic from one endpoint to a port of another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flow {
    pub(super) from: Endpoint,
    pub(super) to: Endpoint,
    pub(super) port: u16,
    /// The setting or object that it was read from.
    pub(super) reason: String,
}

/// All flows, and problems with the addresses that they are read from.
pub(super) fn read(context: &Context<'_>) -> (BTreeSet<Flow>, Vec<String>) {
    let (mut flows, mut problems) = (BTreeSet::new(), Vec::new());
    flows.extend(routed(context));
    flows.extend(monitored(context));
    for (index, pod) in context.pods.iter().enumerate() {
        for Source { reason, text, is_setting } in sources(pod, context, &mut problems) {
            let addresses = if is_setting { of_urls(&text) } else { of_words(&text) };
            for (host, port) in addresses {
                let flow = |to, port| Flow { from: Endpoint::Pod(index), to, port, reason: reason.clone() };
                match resolve(&host, port, context) {
                    Target::Pods(targets) => {
                        // Policies do not apply to traffic within a pod.
                        let others = targets.into_iter().filter(|(target, _)| *target != index || pod.replicas != 1);
                        flows.extend(others.map(|(target, port)| flow(Endpoint::Pod(target), port)));
                    }
                    Target::Elsewhere(to) if is_setting => _ = flows.insert(flow(to, port.unwrap_or_default())),
                    Target::Unknown(what) if is_setting => problems.push(pod.problem(format!("{reason}: {what}"))),
                    _ => {}
                }
            }
        }
    }
    (flows, problems)
}

/// A text that may contain addresses.
struct Source {
    reason: String,
    text: String,
    /// Whether it is a bucket or a setting of our programs, which call all addresses in it. Other texts may contain
    /// comments, so only their addresses within the overlay count.
    is_setting: bool,
}

fn sources(pod: &Pod<'_>, context: &Context<'_>, problems: &mut Vec<String>) -> Vec<Source> {
    let mut sources = Vec::new();
    for container in pod.containers() {
        let is_setting = settings::is_ours(container);
        for (reason, value) in settings::effective(container, context) {
            match value {
                _ if FOR_BROWSERS.contains(&reason.as_str()) => {}
                Some(text) => {
                    let is_setting = is_setting || reason == BUCKET;
                    sources.push(Source { reason, text, is_setting });
                }
                None if is_setting && reason.ends_with("_URL") => problems.push(pod.problem(format!(
                    "the address in {reason} is unknown, so no policy can be checked; \
                     put it into the template of the object that provides its Secret"
                ))),
                None => {}
            }
        }
        let words = ["/command/*", "/args/*"].into_iter().flat_map(|pattern| each(container, pattern));
        let source = |text: &str| Source { reason: "its command".to_owned(), text: text.to_owned(), is_setting: false };
        sources.extend(words.filter_map(|word| word.as_str()).map(source));
    }
    for pattern in ["/volumes/*/configMap/name", "/volumes/*/projected/sources/*/configMap/name"] {
        for map in each(pod.spec, pattern).into_iter().filter_map(|map| map.as_str()) {
            let files = content(context.objects, "ConfigMap", map).unwrap_or_default().keys.into_values().flatten();
            sources.extend(files.map(|text| Source { reason: format!("ConfigMap {map}"), text, is_setting: false }));
        }
    }
    sources
}

/// Flows from the Gateway to the backends of routes.
fn routed(context: &Context<'_>) -> Vec<Flow> {
    let mut flows = Vec::new();
    for route in context.objects.of("HTTPRoute") {
        for backend in each(route, "/spec/rules/*/backendRefs/*") {
            let target = resolve(text(backend, "/name"), port(at(backend, "/port")), context);
            let Target::Pods(targets) = target else { continue };
            let (from, reason) = (Endpoint::Gateway, display(route));
            let flow = |(to, port)| Flow { from: from.clone(), to: Endpoint::Pod(to), port, reason: reason.clone() };
            flows.extend(targets.into_iter().map(flow));
        }
    }
    flows
}

/// Flows from Prometheus to the ports of monitors.
fn monitored(context: &Context<'_>) -> Vec<Flow> {
    let mut flows = Vec::new();
    for monitor in context.objects.of("PodMonitor") {
        let pods = context.pods.iter().enumerate();
        for (index, pod) in pods.filter(|(_, pod)| pod.is_selected_by(at(monitor, "/spec/selector"))) {
            let ports = each(monitor, "/spec/podMetricsEndpoints/*/port").into_iter().filter_map(|port| pod.port(port));
            let (from, to, reason) = (Endpoint::Monitoring, Endpoint::Pod(index), display(monitor));
            flows.extend(ports.map(|port| Flow { from: from.clone(), to: to.clone(), port, reason: reason.clone() }));
        }
    }
    flows
}
