//! Pod Security's level `restricted`, on every pod; and for the services of ours, which write no
//! files and never ask the cluster anything, a root file system that is read-only and no token.

use serde_json::Value;

use crate::lint_infra::objects::{Objects, list, name, text};
use crate::lint_infra::pods::{Pod, pods};

/// The kinds of volume that `restricted` has.
const VOLUMES: [&str; 8] =
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

/// What breaks the level.
pub(super) fn check(objects: &Objects) -> Vec<String> {
    let mut problems = Vec::new();
    for pod in pods(objects) {
        let mut tell = |what: &str| problems.push(format!("{}: {what}", pod.called()));
        whole_pod(&pod, &mut tell);
        for container in pod.containers() {
            let mut tell = |what: &str| tell(&format!("container {}: {what}", text(container, "/name")));
            one_container(&pod, container, &mut tell);
            if pod.service().is_some() && flag(container, "/securityContext/readOnlyRootFilesystem") != Some(true) {
                tell("set securityContext.readOnlyRootFilesystem: true, a service writes no files");
            }
        }
        if pod.service().is_some() && mounts_token(&pod, objects) {
            tell("set automountServiceAccountToken: false, a service asks the cluster nothing");
        }
    }
    problems
}

fn flag(object: &Value, pointer: &str) -> Option<bool> {
    object.pointer(pointer).and_then(Value::as_bool)
}

/// The container's own setting, or the pod's.
fn setting<'a>(pod: &Pod<'a>, container: &'a Value, pointer: &str) -> Option<&'a Value> {
    let pointer = format!("/securityContext{pointer}");
    container.pointer(&pointer).or_else(|| pod.spec.pointer(&pointer))
}

fn whole_pod(pod: &Pod<'_>, tell: &mut impl FnMut(&str)) {
    for host in ["hostNetwork", "hostPID", "hostIPC", "hostProcess"] {
        let pointers = [format!("/{host}"), format!("/securityContext/windowsOptions/{host}")];
        if pointers.iter().any(|pointer| flag(pod.spec, pointer) == Some(true)) {
            tell(&format!("take out {host}: a pod shares nothing with its machine"));
        }
    }
    if !list(pod.spec, "/securityContext/sysctls").is_empty() {
        tell("take out securityContext.sysctls");
    }
    for volume in list(pod.spec, "/volumes") {
        let kinds = volume.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| *key != "name");
        for kind in kinds.filter(|kind| !VOLUMES.contains(&kind.as_str())) {
            let (name, instead) = (text(volume, "/name"), VOLUMES.join(", "));
            tell(&format!("volume {name} is a {kind}; `restricted` has only {instead}"));
        }
    }
}

fn one_container(pod: &Pod<'_>, container: &Value, tell: &mut impl FnMut(&str)) {
    if setting(pod, container, "/runAsNonRoot") != Some(&Value::Bool(true)) {
        tell("set securityContext.runAsNonRoot: true, for it or for the pod");
    }
    if setting(pod, container, "/runAsUser").and_then(Value::as_u64) == Some(0) {
        tell("securityContext.runAsUser is 0, which is root");
    }
    let seccomp = setting(pod, container, "/seccompProfile/type").and_then(Value::as_str);
    if !matches!(seccomp, Some("RuntimeDefault" | "Localhost")) {
        tell("set securityContext.seccompProfile.type: RuntimeDefault, for it or for the pod");
    }
    if setting(pod, container, "/appArmorProfile/type").and_then(Value::as_str) == Some("Unconfined") {
        tell("take out securityContext.appArmorProfile.type: Unconfined");
    }
    if flag(container, "/securityContext/allowPrivilegeEscalation") != Some(false) {
        tell("set securityContext.allowPrivilegeEscalation: false");
    }
    if flag(container, "/securityContext/privileged") == Some(true) {
        tell("take out securityContext.privileged");
    }
    if !matches!(text(container, "/securityContext/procMount"), "" | "Default") {
        tell("take out securityContext.procMount");
    }
    if !list(container, "/securityContext/capabilities/drop").iter().any(|capability| capability == "ALL") {
        tell("set securityContext.capabilities.drop: [ALL]");
    }
    if list(container, "/securityContext/capabilities/add").iter().any(|capability| capability != "NET_BIND_SERVICE") {
        tell("take out securityContext.capabilities.add; only NET_BIND_SERVICE may be added");
    }
    if list(container, "/ports").iter().any(|port| port.get("hostPort").is_some()) {
        tell("take out hostPort: a pod shares nothing with its machine");
    }
}

fn mounts_token(pod: &Pod<'_>, objects: &Objects) -> bool {
    let own = flag(pod.spec, "/automountServiceAccountToken");
    let account = text(pod.spec, "/serviceAccountName");
    let accounts = objects.of("ServiceAccount").find(|object| name(object) == account);
    own.or_else(|| flag(accounts?, "/automountServiceAccountToken")) != Some(false)
}

#[cfg(test)]
mod tests {
    use super::super::proof::proves;
    use super::check;

    const GOOD: &str = "
kind: Deployment
metadata: {name: orders}
spec:
  template:
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      volumes: [{name: tmp, emptyDir: {}}]
      containers:
        - name: main
          ports: [{containerPort: 3000}]
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
---
kind: CronJob
metadata: {name: backup}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          containers:
            - name: main
              securityContext:
                allowPrivilegeEscalation: false
                capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
                runAsNonRoot: true
                seccompProfile: {type: Localhost, localhostProfile: x}
";

    #[test]
    fn restricted_is_held() {
        proves(
            check,
            GOOD,
            &[
                (
                    "runAsNonRoot: true,",
                    "",
                    "Deployment orders: container main: set securityContext.runAsNonRoot: true",
                ),
                ("runAsUser: 65532", "runAsUser: 0", "which is root"),
                ("{type: RuntimeDefault}", "{type: Unconfined}", "seccompProfile.type: RuntimeDefault"),
                ("allowPrivilegeEscalation: false,", "", "allowPrivilegeEscalation: false"),
                ("{drop: [ALL]}", "{}", "capabilities.drop: [ALL]"),
                ("capabilities: {drop: [ALL]}}", "capabilities: {drop: [ALL]}, privileged: true}", "privileged"),
                ("add: [NET_BIND_SERVICE]", "add: [NET_ADMIN]", "CronJob backup: container main: take out"),
                ("emptyDir: {}", "hostPath: {path: /}", "volume tmp is a hostPath"),
                ("volumes:", "hostNetwork: true\n      volumes:", "take out hostNetwork"),
                ("volumes:", "hostPID: true\n      volumes:", "take out hostPID"),
                ("containerPort: 3000", "containerPort: 3000, hostPort: 80", "take out hostPort"),
                ("runAsNonRoot: true,", "runAsNonRoot: true, sysctls: [{name: a, value: b}],", "sysctls"),
                ("readOnlyRootFilesystem: true,", "", "readOnlyRootFilesystem: true"),
                ("automountServiceAccountToken: false", "", "automountServiceAccountToken: false"),
            ],
        );
    }
}
