//! The pods of workloads, whatever the kind of the object that describes them.

use std::collections::BTreeMap;

use serde_json::Value;
use testkit::fleet::SERVICES;

use super::objects::{Objects, at, display, each, name, port, selects, text, texts};

/// A pod template, or a pod.
#[derive(Debug)]
pub(crate) struct Pod<'a> {
    /// The object that describes it.
    pub(crate) owner: &'a Value,
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
    pub(crate) spec: &'a Value,
    /// One unless the owner sets a number.
    pub(crate) replicas: u64,
}

impl<'a> Pod<'a> {
    /// The pods of every workload.
    pub(crate) fn all(objects: &'a Objects) -> Vec<Self> {
        objects.all().filter_map(Self::of).collect()
    }

    fn of(owner: &'a Value) -> Option<Self> {
        let template = match text(owner, "/kind") {
            "Pod" => owner,
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => at(owner, "/spec/template"),
            "CronJob" => at(owner, "/spec/jobTemplate/spec/template"),
            _ => return None,
        };
        let replicas = at(owner, "/spec/replicas").as_u64().unwrap_or(1);
        Some(Self { owner, labels: texts(template, "/metadata/labels"), spec: at(template, "/spec"), replicas })
    }

    /// A problem of this pod, as messages state it.
    pub(crate) fn problem(&self, what: impl std::fmt::Display) -> String {
        format!("{}: {what}", display(self.owner))
    }

    /// All containers, the init containers first.
    pub(crate) fn containers(&self) -> Vec<&'a Value> {
        [each(self.spec, "/initContainers/*"), each(self.spec, "/containers/*")].concat()
    }

    /// The containers that run as long as the pod: all but the init containers that end.
    pub(crate) fn main_containers(&self) -> Vec<&'a Value> {
        let mut sidecars = each(self.spec, "/initContainers/*");
        sidecars.retain(|container| text(container, "/restartPolicy") == "Always");
        [sidecars, each(self.spec, "/containers/*")].concat()
    }

    /// Whether it runs until it is told to stop, unlike the pod of a job.
    pub(crate) fn is_long_running(&self) -> bool {
        !matches!(text(self.owner, "/kind"), "Job" | "CronJob")
    }

    /// Whether it runs one of our services.
    pub(crate) fn is_service(&self) -> bool {
        text(self.owner, "/kind") == "Deployment" && SERVICES.contains(&name(self.owner))
    }

    pub(crate) fn is_selected_by(&self, selector: &Value) -> bool {
        selects(selector, &self.labels)
    }

    /// Whether a Service sends to it.
    pub(crate) fn is_behind(&self, service: &Value) -> bool {
        let mut selector = texts(service, "/spec/selector").into_iter().peekable();
        let is_selecting = selector.peek().is_some() && self.is_long_running();
        is_selecting && selector.all(|(key, value)| self.labels.get(key) == Some(&value))
    }

    /// The names of its volumes, including those of claims that a `StatefulSet` makes.
    pub(crate) fn volumes(&self) -> Vec<&'a str> {
        let claims = each(self.owner, "/spec/volumeClaimTemplates/*/metadata");
        claims.into_iter().chain(each(self.spec, "/volumes/*")).map(|named| text(named, "/name")).collect()
    }

    fn ports(&self) -> Vec<&'a Value> {
        self.containers().into_iter().flat_map(|container| each(container, "/ports/*")).collect()
    }

    /// The container port that a number or a name stands for.
    pub(crate) fn port(&self, given: &Value) -> Option<u16> {
        let named = |name| self.ports().into_iter().find(|port| text(port, "/name") == name);
        given.as_str().map_or_else(|| port(given), |name| port(at(named(name)?, "/containerPort")))
    }

    /// Like `port`, if a container lists the port.
    pub(crate) fn listed_port(&self, given: &Value) -> Option<u16> {
        let listed = |number: &u16| self.ports().iter().any(|one| port(at(one, "/containerPort")) == Some(*number));
        self.port(given).filter(listed)
    }
}
