//! Checks that references by name are not dangling: the object must exist in the overlay, and so must the part of it
//! that the reference names, such as a key, a port or a listener.

use serde_json::Value;

use super::Context;
use crate::environment::{Content, content};
use crate::objects::{display, each, plain, text, texts};

/// Each kind of reference: its holder (`Pod` is a pod's `spec`, `Container` a container, anything else a kind
/// of object), the pattern of the reference in the holder, the kind of the object that it refers to (empty if
/// the reference states the kind), and the patterns of the object's name and parts in the reference.
const REFERENCES: [(&str, &str, &str, &str, &str); 17] = [
    ("Pod", "", "ServiceAccount", "/serviceAccountName", ""),
    ("Pod", "/imagePullSecrets/*", "Secret", "/name", ""),
    ("Pod", "/volumes/*/persistentVolumeClaim", "PersistentVolumeClaim", "/claimName", ""),
    ("Pod", "/volumes/*/configMap", "ConfigMap", "/name", "/items/*/key"),
    ("Pod", "/volumes/*/secret", "Secret", "/secretName", "/items/*/key"),
    ("Pod", "/volumes/*/projected/sources/*/configMap", "ConfigMap", "/name", "/items/*/key"),
    ("Pod", "/volumes/*/projected/sources/*/secret", "Secret", "/name", "/items/*/key"),
    ("Container", "/env/*/valueFrom/configMapKeyRef", "ConfigMap", "/name", "/key"),
    ("Container", "/env/*/valueFrom/secretKeyRef", "Secret", "/name", "/key"),
    ("Container", "/envFrom/*/configMapRef", "ConfigMap", "/name", ""),
    ("Container", "/envFrom/*/secretRef", "Secret", "/name", ""),
    ("Container", "/volumeMounts/*", "volume", "/name", ""),
    ("StatefulSet", "/spec", "Service", "/serviceName", ""),
    ("HorizontalPodAutoscaler", "/spec/scaleTargetRef", "", "/name", ""),
    ("HTTPRoute", "/spec/rules/*/backendRefs/*", "Service", "/name", "/port"),
    ("HTTPRoute", "/spec/parentRefs/*", "Gateway", "/name", "/sectionName"),
    ("Gateway", "/spec/listeners/*/tls/certificateRefs/*", "Secret", "/name", ""),
];

pub(super) fn check(context: &Context<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for (holder, pattern, kind, name, parts) in REFERENCES {
        for (owner, holder) in holders(context, holder) {
            let required = each(holder, pattern).into_iter();
            for reference in required.filter(|reference| reference.get("optional") != Some(&Value::Bool(true))) {
                let kind = if kind.is_empty() { text(reference, "/kind") } else { kind };
                let parts = if parts.is_empty() { Vec::new() } else { each(reference, parts) };
                let field = if name == "/name" { pattern.trim_end_matches("/*") } else { name };
                let field = field.rsplit('/').next().unwrap_or_default();
                let dangling = dangling(context, owner, (kind, text(reference, name)), &parts).into_iter();
                problems.extend(dangling.map(|what| format!("{}: {what}; add it, or correct {field}", display(owner))));
            }
        }
    }
    problems
}

/// The holders of references, each with the object that it belongs to.
fn holders<'a>(context: &Context<'a>, holder: &str) -> Vec<(&'a Value, &'a Value)> {
    let pods = context.pods.iter();
    match holder {
        "Pod" => pods.map(|pod| (pod.owner, pod.spec)).collect(),
        "Container" => pods.flat_map(|pod| pod.containers().into_iter().map(|one| (pod.owner, one))).collect(),
        kind => context.objects.of(kind).filter(|object| !has_issuer(object)).map(|object| (object, object)).collect(),
    }
}

/// Whether cert-manager issues the certificates of a Gateway, so that the overlay needs no Certificate.
fn has_issuer(gateway: &Value) -> bool {
    let annotations = texts(gateway, "/metadata/annotations");
    ["cert-manager.io/issuer", "cert-manager.io/cluster-issuer"].iter().any(|key| annotations.contains_key(key))
}

/// Describes what a reference names although it does not exist: the object, or parts of it. `owner` contains the
/// reference.
fn dangling(context: &Context<'_>, owner: &Value, (kind, name): (&str, &str), parts: &[&Value]) -> Vec<String> {
    let values = |holder, pattern| each(holder, pattern).into_iter().cloned().collect::<Vec<_>>();
    let object = context.objects.find(kind, name);
    let (found, part) = match kind {
        _ if name.is_empty() => return Vec::new(),
        "ConfigMap" | "Secret" => match content(context.objects, kind, name) {
            Some(Content { has_unknown_keys: true, .. }) => return Vec::new(),
            content => (content.map(|content| content.keys.into_keys().map(Value::from).collect()), "key"),
        },
        "volume" => {
            let mut pods = context.pods.iter().filter(|pod| std::ptr::eq(pod.owner, owner));
            (pods.any(|pod| pod.volumes().contains(&name)).then(Vec::new), "")
        }
        "Gateway" => (object.map(|gateway| values(gateway, "/spec/listeners/*/name")), "listener"),
        _ => (object.map(|service| values(service, "/spec/ports/*/port")), "port"),
    };
    let Some(found) = found else { return vec![format!("there is no {kind} {name}")] };
    let missing = parts.iter().filter(|part| !found.contains(part));
    missing.map(|missing| format!("{kind} {name} has no {part} {}", plain(missing))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Images;
    use super::super::mutations::assert_each_mutation_is_reported;
    use super::check;

    const GOOD: &str = "
kind: StatefulSet
metadata: {name: mongodb}
spec:
  serviceName: web
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
metadata: {name: entry}
spec: {listeners: [{name: https, tls: {certificateRefs: [{name: tls}]}}]}
---
kind: Certificate
metadata: {name: tls}
spec: {secretName: tls}
---
kind: Service
metadata: {name: web}
spec: {ports: [{name: front, port: 80, targetPort: http}]}
---
kind: HTTPRoute
metadata: {name: all}
spec:
  parentRefs: [{name: entry, sectionName: https}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
---
kind: HorizontalPodAutoscaler
metadata: {name: scaler}
spec: {scaleTargetRef: {kind: StatefulSet, name: mongodb}}
";

    #[test]
    fn dangling_references_are_reported() {
        assert_each_mutation_is_reported(
            check,
            &Images::default(),
            GOOD,
            &[
                ("kind: ServiceAccount", "kind: X", "StatefulSet mongodb: there is no ServiceAccount mongodb; add it"),
                ("kind: ConfigMap", "kind: X", "there is no ConfigMap settings; add it"),
                ("kind: ExternalSecret", "kind: X", "there is no Secret secrets; add it, or correct"),
                ("{name: settings, key: LOG}", "{name: settings, key: LOGS}", "ConfigMap settings has no key LOGS"),
                ("key: LOG, path", "key: LOGS, path", "ConfigMap settings has no key LOGS"),
                ("{name: secrets, key: PASSWORD}", "{name: secrets, key: WORD}", "Secret secrets has no key WORD"),
                ("key: PASSWORD, path", "key: WORD, path", "Secret secrets has no key WORD"),
                ("secretKey: PASSWORD", "secretKey: WORD", "Secret secrets has no key PASSWORD"),
                (", optional: true", "", "there is no Secret nowhere"),
                ("secretName: secrets", "secretName: others", "there is no Secret others"),
                ("{name: data},", "{name: date},", "StatefulSet mongodb: there is no volume date"),
                ("kind: PersistentVolumeClaim", "kind: X", "there is no PersistentVolumeClaim old"),
                ("serviceName: web", "serviceName: wob", "there is no Service wob; add it, or correct serviceName"),
                ("{name: web, port: 80}", "{name: wob, port: 80}", "HTTPRoute all: there is no Service wob"),
                ("{name: web, port: 80}", "{name: web, port: 81}", "HTTPRoute all: Service web has no port 81"),
                ("kind: Gateway", "kind: X", "there is no Gateway entry"),
                ("{name: https, tls", "{name: http, tls", "Gateway entry has no listener https"),
                (
                    "kind: StatefulSet, name: mongodb",
                    "kind: Deployment, name: mongodb",
                    "scaler: there is no Deployment mongodb",
                ),
                (
                    "kind: Certificate",
                    "kind: X",
                    "Gateway entry: there is no Secret tls; add it, or correct certificateRefs",
                ),
            ],
        );
    }
}
