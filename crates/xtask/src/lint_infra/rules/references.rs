//! What a pod refers to by name is there: Secrets and `ConfigMaps` with their keys, `ServiceAccounts`,
//! claims, volumes.

use serde_json::Value;

use crate::lint_infra::environment::{Content, config_map, secret};
use crate::lint_infra::objects::{Objects, called, list, name, text, texts};
use crate::lint_infra::pods::{Pod, pods};

/// What is referred to and is not there.
pub(super) fn check(objects: &Objects) -> Vec<String> {
    let mut problems = Vec::new();
    for pod in pods(objects) {
        let mut tell = |what: String| problems.push(format!("{}: {what}", pod.called()));
        account(&pod, objects, &mut tell);
        for (wanted, is_optional) in references(pod.spec) {
            if !is_optional {
                wanted.missing(objects).into_iter().for_each(&mut tell);
            }
        }
        volumes(&pod, objects, &mut tell);
    }
    for gateway in objects.of("Gateway").filter(|gateway| !is_served_by_cert_manager(gateway)) {
        let listeners = list(gateway, "/spec/listeners").iter();
        for wanted in listeners.flat_map(|listener| list(listener, "/tls/certificateRefs")) {
            let wanted = text(wanted, "/name");
            if secret(objects, wanted).is_none() {
                let gateway = called(gateway);
                problems
                    .push(format!("{gateway}: there is no Secret {wanted} for its listener; add it or a Certificate"));
            }
        }
    }
    problems
}

/// cert-manager makes the certificates of a Gateway that names an issuer, without a Certificate here.
fn is_served_by_cert_manager(gateway: &Value) -> bool {
    let notes = texts(gateway, "/metadata/annotations");
    ["cert-manager.io/issuer", "cert-manager.io/cluster-issuer"].iter().any(|note| notes.contains_key(note))
}

fn account(pod: &Pod<'_>, objects: &Objects, tell: &mut impl FnMut(String)) {
    let account = text(pod.spec, "/serviceAccountName");
    if !account.is_empty() && objects.find("ServiceAccount", account).is_none() {
        tell(format!("there is no ServiceAccount {account}; add it, or correct serviceAccountName"));
    }
}

/// A `ConfigMap` or Secret, or one key of it.
struct Wanted<'a> {
    kind: &'static str,
    name: &'a str,
    key: Option<&'a str>,
}

impl Wanted<'_> {
    fn missing(&self, objects: &Objects) -> Option<String> {
        let Self { kind, name, key } = self;
        let content = if *kind == "Secret" { secret(objects, name) } else { config_map(objects, name) };
        let Some(Content { keys, is_open }) = content else {
            return Some(format!("there is no {kind} {name}; add it, or what provides it"));
        };
        let key = key.filter(|key| !is_open && !keys.contains_key(*key))?;
        Some(format!("{kind} {name} has no key {key}; add it, or correct the reference"))
    }
}

/// Every reference in a pod's `spec`, wherever it stands, and whether the pod starts without it.
fn references(spec: &Value) -> Vec<(Wanted<'_>, bool)> {
    let mut found = Vec::new();
    for container in list(spec, "/initContainers").iter().chain(list(spec, "/containers")) {
        for variable in list(container, "/env") {
            found.extend(one(variable, "/valueFrom/configMapKeyRef", "ConfigMap", "/name"));
            found.extend(one(variable, "/valueFrom/secretKeyRef", "Secret", "/name"));
        }
        for source in list(container, "/envFrom") {
            found.extend(one(source, "/configMapRef", "ConfigMap", "/name"));
            found.extend(one(source, "/secretRef", "Secret", "/name"));
        }
    }
    for volume in list(spec, "/volumes") {
        for source in std::iter::once(volume).chain(list(volume, "/projected/sources")) {
            for (pointer, kind, by) in [("/configMap", "ConfigMap", "/name"), ("/secret", "Secret", "/secretName")] {
                // A projected secret is named like everything else.
                let by = if source.get("name").is_none() { "/name" } else { by };
                let Some(whole) = one(source, pointer, kind, by) else { continue };
                let is_optional = whole.1;
                let items = list(source, &format!("{pointer}/items")).iter();
                let name = whole.0.name;
                found.extend(items.map(|item| (Wanted { kind, name, key: Some(text(item, "/key")) }, is_optional)));
                found.push(whole);
            }
        }
    }
    let pulling = list(spec, "/imagePullSecrets").iter();
    found.extend(pulling.map(|one| (Wanted { kind: "Secret", name: text(one, "/name"), key: None }, false)));
    found
}

fn one<'a>(holder: &'a Value, pointer: &str, kind: &'static str, by: &str) -> Option<(Wanted<'a>, bool)> {
    let reference = holder.pointer(pointer)?;
    let key = reference.get("key").and_then(Value::as_str);
    let is_optional = reference.get("optional").and_then(Value::as_bool) == Some(true);
    Some((Wanted { kind, name: text(reference, by), key }, is_optional))
}

fn volumes(pod: &Pod<'_>, objects: &Objects, tell: &mut impl FnMut(String)) {
    let claimed = list(pod.owner, "/spec/volumeClaimTemplates").iter().map(name);
    let known: Vec<_> = list(pod.spec, "/volumes").iter().map(|volume| text(volume, "/name")).chain(claimed).collect();
    for container in pod.containers() {
        for mount in list(container, "/volumeMounts") {
            let (container, volume) = (text(container, "/name"), text(mount, "/name"));
            if !known.contains(&volume) {
                tell(format!("container {container} mounts volume {volume}, which the pod does not have; add it"));
            }
        }
    }
    for volume in list(pod.spec, "/volumes") {
        let claim = text(volume, "/persistentVolumeClaim/claimName");
        if !claim.is_empty() && objects.find("PersistentVolumeClaim", claim).is_none() {
            tell(format!("there is no PersistentVolumeClaim {claim}; add it"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::proof::proves;
    use super::check;

    const GOOD: &str = "
kind: StatefulSet
metadata: {name: mongodb}
spec:
  volumeClaimTemplates: [{metadata: {name: data}}]
  template:
    spec:
      serviceAccountName: mongodb
      containers:
        - name: main
          env:
            - {name: A, valueFrom: {configMapKeyRef: {name: settings, key: LOG}}}
            - {name: B, valueFrom: {secretKeyRef: {name: secrets, key: PASSWORD}}}
            - {name: C, valueFrom: {secretKeyRef: {name: nowhere, key: C, optional: true}}}
          envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: secrets}}]
          volumeMounts: [{name: data}, {name: files}, {name: keys}, {name: both}]
      volumes:
        - {name: files, configMap: {name: settings, items: [{key: LOG, path: log}]}}
        - {name: keys, secret: {secretName: secrets}}
        - {name: both, projected: {sources: [{secret: {name: secrets, items: [{key: PASSWORD, path: p}]}}]}}
        - {name: old, persistentVolumeClaim: {claimName: old}}
---
kind: ServiceAccount
metadata: {name: mongodb}
---
kind: ConfigMap
metadata: {name: settings}
data: {LOG: info}
---
kind: ExternalSecret
metadata: {name: secrets}
spec: {data: [{secretKey: PASSWORD}]}
---
kind: PersistentVolumeClaim
metadata: {name: old}
---
kind: Gateway
metadata: {name: door}
spec: {listeners: [{tls: {certificateRefs: [{name: tls}]}}]}
---
kind: Certificate
metadata: {name: tls}
spec: {secretName: tls}
";

    #[test]
    fn what_is_referred_to_is_there() {
        proves(
            check,
            GOOD,
            &[
                ("kind: ServiceAccount", "kind: X", "StatefulSet mongodb: there is no ServiceAccount mongodb; add it"),
                ("kind: ConfigMap", "kind: X", "there is no ConfigMap settings; add it"),
                ("kind: ExternalSecret", "kind: X", "there is no Secret secrets; add it, or what provides it"),
                ("{name: settings, key: LOG}", "{name: settings, key: LOGS}", "ConfigMap settings has no key LOGS"),
                ("key: LOG, path", "key: LOGS, path", "ConfigMap settings has no key LOGS"),
                ("{name: secrets, key: PASSWORD}", "{name: secrets, key: WORD}", "Secret secrets has no key WORD"),
                ("key: PASSWORD, path", "key: WORD, path", "Secret secrets has no key WORD"),
                ("secretKey: PASSWORD", "secretKey: WORD", "Secret secrets has no key PASSWORD"),
                (", optional: true", "", "there is no Secret nowhere"),
                ("secretName: secrets", "secretName: others", "there is no Secret others"),
                ("{name: data},", "{name: date},", "container main mounts volume date"),
                ("kind: PersistentVolumeClaim", "kind: X", "there is no PersistentVolumeClaim old"),
                ("kind: Certificate", "kind: X", "Gateway door: there is no Secret tls for its listener"),
            ],
        );
    }
}
