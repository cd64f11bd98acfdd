//! Requirements on pods and containers: Pod Security's level `restricted`, probes, resources, pinned
//! images; and for our services, which write no files and make no calls to the cluster, a read-only root
//! file system and no token.

use serde_json::Value;

use self::Rule::{Allowed, Forbidden, Required};
use super::Context;
use crate::objects::{at, each, plain, text};
use crate::pods::Pod;

/// What the values at a pattern must be.
enum Rule {
    /// At least one of them is in the list; any value will do if the list is empty.
    Required(&'static [&'static str]),
    /// All of them are in the list.
    Allowed(&'static [&'static str]),
    /// None of them is in the list.
    Forbidden(&'static [&'static str]),
}

impl Rule {
    /// The remedy if the values at the pattern break the rule.
    fn check(&self, value: &Value, pattern: &str) -> Option<String> {
        let mut values = each(value, pattern).into_iter().map(plain);
        let field = pattern.trim_start_matches('/').replace("/*", "").replace('/', ".");
        let (is_met, remedy) = match self {
            Required([]) => (values.next().is_some(), format!("set {field}")),
            Required(list @ [first, ..]) => {
                let expected = if pattern.ends_with('*') { format!("[{first}]") } else { (*first).to_owned() };
                (values.any(|value| list.contains(&value.as_str())), format!("set {field}: {expected}"))
            }
            Allowed([]) => (values.next().is_none(), format!("remove {field}")),
            Allowed(list) => {
                let remedy = format!("remove {field} other than {}", list.join(", "));
                (values.all(|value| list.contains(&value.as_str())), remedy)
            }
            Forbidden(list) => {
                let remedy = format!("remove {field}: {}", list.join(", "));
                (!values.any(|value| list.contains(&value.as_str())), remedy)
            }
        };
        (!is_met).then_some(remedy)
    }
}

const TRUE: &[&str] = &["true"];
const ISOLATED: &str = "; a pod shares nothing with its node";
const INHERITED: &str = ", on the container or on the pod";

/// A pattern below a pod's `spec`, its rule, and a text after the remedy.
const POD: [(&str, Rule, &str); 5] = [
    ("/hostNetwork", Forbidden(TRUE), ISOLATED),
    ("/hostPID", Forbidden(TRUE), ISOLATED),
    ("/hostIPC", Forbidden(TRUE), ISOLATED),
    ("/securityContext/windowsOptions/hostProcess", Forbidden(TRUE), ISOLATED),
    ("/securityContext/sysctls/*", Allowed(&[]), ISOLATED),
];

/// Each entry is the containers that a rule is for, the pattern of a path below the container, the rule, and a text
/// that follows the remedy. The security context of the container extends that of its pod.
const CONTAINER: [(Scope, &str, Rule, &str); 18] = [
    (ALL, "/securityContext/runAsNonRoot", Required(TRUE), INHERITED),
    (ALL, "/securityContext/runAsUser", Forbidden(&["0"]), ", which is root"),
    (ALL, "/securityContext/seccompProfile/type", Required(&["RuntimeDefault", "Localhost"]), INHERITED),
    (ALL, "/securityContext/appArmorProfile/type", Forbidden(&["Unconfined"]), ""),
    (ALL, "/securityContext/allowPrivilegeEscalation", Required(&["false"]), ""),
    (ALL, "/securityContext/privileged", Forbidden(TRUE), ""),
    (ALL, "/securityContext/windowsOptions/hostProcess", Forbidden(TRUE), ISOLATED),
    (ALL, "/securityContext/procMount", Allowed(&["Default"]), ""),
    (ALL, "/securityContext/capabilities/drop/*", Required(&["ALL"]), ""),
    (ALL, "/securityContext/capabilities/add/*", Allowed(&["NET_BIND_SERVICE"]), ""),
    (SERVICE, "/securityContext/readOnlyRootFilesystem", Required(TRUE), "; a service writes no files"),
    (ALL, "/ports/*/hostPort", Allowed(&[]), ISOLATED),
    (ALL, "/resources/requests/cpu", Required(&[]), ""),
    (ALL, "/resources/requests/memory", Required(&[]), ""),
    (ALL, "/resources/limits/memory", Required(&[]), ""),
    (LISTENING_SERVICE, "/startupProbe", Required(&[]), "; it may wait for its database for minutes"),
    (LISTENING, "/readinessProbe", Required(&[]), ""),
    (LISTENING, "/livenessProbe", Required(&[]), ""),
];

type Scope = fn(&Pod<'_>, &Value) -> bool;
const ALL: Scope = |_, _| true;
const SERVICE: Scope = |pod, _| pod.is_service();
const LISTENING_SERVICE: Scope = |pod, container| pod.is_service() && LISTENING(pod, container);
/// Main containers with ports, in pods that run until they are told to stop.
const LISTENING: Scope = |pod, container| {
    let is_main = pod.main_containers().into_iter().any(|main| std::ptr::eq(main, container));
    is_main && pod.is_long_running() && !each(container, "/ports/*").is_empty()
};

/// The kinds of volume that `restricted` allows.
const VOLUMES: [&str; 8] =
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

pub(super) fn check(context: &Context<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for pod in &context.pods {
        for (pattern, rule, text) in &POD {
            problems.extend(rule.check(pod.spec, pattern).map(|remedy| pod.problem(remedy + text)));
        }
        for volume in each(pod.spec, "/volumes/*") {
            let kinds = volume.as_object().into_iter().flat_map(|fields| fields.keys()).filter(|key| *key != "name");
            problems.extend(kinds.filter(|kind| !VOLUMES.contains(&kind.as_str())).map(|kind| {
                let (name, allowed) = (text(volume, "/name"), VOLUMES.join(", "));
                pod.problem(format!("volume {name} is a {kind}; use one of {allowed}"))
            }));
        }
        if pod.is_service() && mounts_token(pod, context) {
            problems
                .push(pod.problem("set automountServiceAccountToken: false, a service makes no calls to the cluster"));
        }
        for container in pod.containers() {
            let effective = with_security_of_pod(pod, container);
            let rules = CONTAINER.iter().filter(|(scope, ..)| scope(pod, container));
            let remedies = rules.filter_map(|(_, pattern, rule, text)| Some(rule.check(&effective, pattern)? + text));
            let remedies = remedies.chain(unpinned_image(container, context));
            let name = text(container, "/name");
            problems.extend(remedies.map(|remedy| pod.problem(format!("container {name}: {remedy}"))));
        }
    }
    problems
}

fn with_security_of_pod(pod: &Pod<'_>, container: &Value) -> Value {
    let contexts = [pod.spec, container].map(|holder| at(holder, "/securityContext").as_object());
    let merged: serde_json::Map<_, _> =
        contexts.into_iter().flatten().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    let mut effective = container.clone();
    if let Some(fields) = effective.as_object_mut() {
        fields.insert("securityContext".to_owned(), merged.into());
    }
    effective
}

fn mounts_token(pod: &Pod<'_>, context: &Context<'_>) -> bool {
    let account = context.objects.find("ServiceAccount", text(pod.spec, "/serviceAccountName"));
    let settings = [Some(pod.spec), account].map(|holder| holder?.get("automountServiceAccountToken"));
    settings.into_iter().flatten().next() != Some(&Value::Bool(false))
}

/// An image has a digest or a tag other than `latest`, so that deploying again runs the same program.
/// skaffold sets the tags of the images that it builds.
fn unpinned_image(container: &Value, context: &Context<'_>) -> Option<String> {
    let image = text(container, "/image");
    // A colon before the last slash belongs to a port.
    let tag = image.rsplit('/').next().and_then(|file| file.split_once(':')).map(|(_, tag)| tag);
    let is_built = tag.is_none() && context.images.names.iter().any(|built| built == image);
    let is_pinned = image.contains('@') || tag.is_some_and(|tag| tag != "latest");
    (!is_pinned && !is_built).then(|| {
        format!("image '{image}' is not pinned; give it a tag other than latest, or have skaffold.yaml build it")
    })
}

#[cfg(test)]
mod tests {
    use super::super::mutations::assert_each_mutation_is_reported;
    use super::super::{Images, images};
    use super::check;
    use crate::objects::Objects;

    const GOOD: &str = "
kind: Deployment
metadata: {name: orders}
spec:
  template:
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
      volumes: [{name: tmp, emptyDir: {}}]
      initContainers:
        - name: first
          image: mongo:7.0
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
          resources: {requests: {cpu: 1, memory: 1}, limits: {memory: 1}}
      containers:
        - name: main
          image: ticketing/orders
          ports: [{containerPort: 3000}]
          startupProbe: {}
          readinessProbe: {}
          livenessProbe: {}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
          resources: {requests: {cpu: 1, memory: 1}, limits: {memory: 2}}
---
kind: Job
metadata: {name: once}
spec:
  template:
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: main
          image: registry:5000/redis@sha256:00
          ports: [{containerPort: 6379}]
          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
          resources: {requests: {cpu: 1, memory: 1}, limits: {memory: 1}}
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
              image: ticketing/auth
              securityContext:
                allowPrivilegeEscalation: false
                capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}
                runAsNonRoot: true
                seccompProfile: {type: Localhost, localhostProfile: x}
              resources: {requests: {cpu: 1, memory: 1}, limits: {memory: 1}}
";

    fn assert_reported(mutations: &[(&'static str, &'static str, &'static str)]) {
        let skaffold = "build: {artifacts: [{image: ticketing/auth}]}\n\
                        profiles: [{build: {artifacts: [{image: ticketing/orders}]}}]";
        let images = images(&Objects::parse(skaffold).unwrap());
        assert_eq!(images, ["ticketing/auth", "ticketing/orders"]);
        assert_each_mutation_is_reported(check, &Images { names: images, ..Images::default() }, GOOD, mutations);
    }

    #[test]
    fn violations_of_the_restricted_level_are_reported() {
        assert_reported(&[
            ("runAsNonRoot: true,", "", "Deployment orders: container main: set securityContext.runAsNonRoot: true"),
            ("runAsUser: 65532", "runAsUser: 0", "which is root"),
            ("{type: RuntimeDefault}", "{type: Unconfined}", "seccompProfile.type: RuntimeDefault"),
            ("allowPrivilegeEscalation: false,", "", "allowPrivilegeEscalation: false"),
            ("{drop: [ALL]}", "{}", "capabilities.drop: [ALL]"),
            ("capabilities: {drop: [ALL]}}", "capabilities: {drop: [ALL]}, privileged: true}", "privileged"),
            (
                "capabilities: {drop: [ALL]}}",
                "capabilities: {drop: [ALL]}, procMount: Unmasked}",
                "remove securityContext.procMount",
            ),
            ("add: [NET_BIND_SERVICE]", "add: [NET_ADMIN]", "CronJob backup: container main: remove"),
            ("emptyDir: {}", "hostPath: {path: /}", "volume tmp is a hostPath"),
            ("volumes:", "hostNetwork: true\n      volumes:", "remove hostNetwork"),
            ("volumes:", "hostPID: true\n      volumes:", "remove hostPID"),
            ("volumes:", "hostIPC: true\n      volumes:", "remove hostIPC"),
            ("containerPort: 3000", "containerPort: 3000, hostPort: 80", "remove ports.hostPort"),
            ("runAsNonRoot: true,", "runAsNonRoot: true, sysctls: [{name: a, value: b}],", "sysctls"),
            (
                "runAsNonRoot: true,",
                "runAsNonRoot: true, appArmorProfile: {type: Unconfined},",
                "remove securityContext.appArmor",
            ),
            (
                "runAsNonRoot: true,",
                "runAsNonRoot: true, windowsOptions: {hostProcess: true},",
                "hostProcess: true; a pod shares",
            ),
            ("readOnlyRootFilesystem: true,", "", "readOnlyRootFilesystem: true"),
            ("automountServiceAccountToken: false", "", "automountServiceAccountToken: false"),
        ]);
    }

    #[test]
    fn missing_probes_and_resources_are_reported() {
        assert_reported(&[
            ("startupProbe: {}", "", "Deployment orders: container main: set startupProbe"),
            ("readinessProbe: {}", "", "set readinessProbe"),
            ("livenessProbe: {}", "", "set livenessProbe"),
            ("requests: {cpu: 1, memory: 1}", "requests: {memory: 1}", "container first: set resources.requests.cpu"),
            (
                "{requests: {cpu: 1, memory: 1}, limits: {memory: 2}}",
                "{}",
                "container main: set resources.limits.memory",
            ),
            ("kind: Job", "kind: StatefulSet", "StatefulSet once: container main: set readinessProbe"),
        ]);
    }

    #[test]
    fn unpinned_images_are_reported() {
        assert_reported(&[
            ("mongo:7.0", "mongo", "Deployment orders: container first: image 'mongo' is not pinned"),
            ("mongo:7.0", "mongo:latest", "give it a tag other than latest"),
            ("ticketing/orders", "ticketing/order", "have skaffold.yaml build it"),
            ("ticketing/orders", "ticketing/orders:latest", "is not pinned"),
            ("registry:5000/redis@sha256:00", "registry:5000/redis", "Job once"),
        ]);
    }
}
