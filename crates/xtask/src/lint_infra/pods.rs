//! The pods that objects describe, whatever kind of object describes them.

use std::collections::BTreeMap;

use serde_json::Value;
use testkit::fleet::SERVICES;

use super::objects::{Objects, called, list, name, port, text, texts};

/// A pod template, or a pod by itself.
#[derive(Debug)]
pub(super) struct Pod<'a> {
    /// The object that describes it.
    pub(super) owner: &'a Value,
    /// The pod's labels.
    pub(super) labels: BTreeMap<&'a str, &'a str>,
    /// Its `spec`.
    pub(super) spec: &'a Value,
    /// How many of it there are; one unless the object says so.
    pub(super) replicas: u64,
}

impl<'a> Pod<'a> {
    /// How messages call it.
    pub(super) fn called(&self) -> String {
        called(self.owner)
    }

    /// Its containers, those that prepare it first.
    pub(super) fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        list(self.spec, "/initContainers").iter().chain(self.main_containers())
    }

    /// The containers that it is there for, and those that run beside them to the end.
    pub(super) fn main_containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let beside = list(self.spec, "/initContainers").iter().filter(|one| text(one, "/restartPolicy") == "Always");
        beside.chain(list(self.spec, "/containers"))
    }

    /// Whether it is to run until it is told to stop, unlike a job's.
    pub(super) fn is_long_running(&self) -> bool {
        !matches!(text(self.owner, "/kind"), "Job" | "CronJob")
    }

    /// The service of ours that it runs.
    pub(super) fn service(&self) -> Option<&'static str> {
        let is_deployment = text(self.owner, "/kind") == "Deployment";
        SERVICES.into_iter().find(|service| is_deployment && name(self.owner) == *service)
    }

    /// The container port of this name.
    pub(super) fn named_port(&self, wanted: &str) -> Option<u16> {
        let mut ports = self.containers().flat_map(|container| list(container, "/ports"));
        ports.find(|port| text(port, "/name") == wanted).and_then(|one| port(one, "/containerPort"))
    }

    /// Whether a container says that it listens there.
    pub(super) fn has_port(&self, wanted: u16) -> bool {
        let mut ports = self.containers().flat_map(|container| list(container, "/ports"));
        ports.any(|one| port(one, "/containerPort") == Some(wanted))
    }

    /// A port that is given by number or by name.
    pub(super) fn port(&self, given: &Value) -> Option<u16> {
        match given {
            Value::String(name) => self.named_port(name),
            number => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        }
    }
}

/// Every pod that the objects describe.
pub(super) fn pods(objects: &Objects) -> Vec<Pod<'_>> {
    objects.all().filter_map(pod).collect()
}

fn pod(owner: &Value) -> Option<Pod<'_>> {
    let template = match text(owner, "/kind") {
        "Pod" => owner,
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" => owner.pointer("/spec/template")?,
        "CronJob" => owner.pointer("/spec/jobTemplate/spec/template")?,
        _ => return None,
    };
    let replicas = owner.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    let spec = template.get("spec").unwrap_or(&Value::Null);
    Some(Pod { owner, labels: texts(template, "/metadata/labels"), spec, replicas })
}
