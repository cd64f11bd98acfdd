"""Reads the pods of rendered manifests, their settings, and the DNS names of each.

A pod setting that is neither applied nor listed as irrelevant is an error, so that a run never passes because a setting
was overlooked.
"""

import base64
import math
import re
from dataclasses import dataclass

# Settings for the scheduler, the API server or service accounts. None of these exists here, and no pod has a token.
IGNORED = {
    "affinity",
    "automountServiceAccountToken",
    "dnsPolicy",
    "enableServiceLinks",
    "priorityClassName",
    "restartPolicy",
    "serviceAccountName",
    "tolerations",
    "topologySpreadConstraints",
}
POD_FIELDS = {"containers", "securityContext", "terminationGracePeriodSeconds", "volumes"}
CONTAINER_FIELDS = {
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resources",
    "securityContext",
    "startupProbe",
    "volumeMounts",
}
# Placeholder for status.podIP, because a pod's address is not known before it is started.
ADDRESS = "<the pod's own address>"
SUFFIXES = {"": 1, "m": 0.001, "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


class UnsupportedManifest(Exception):
    """The manifests contain a setting that this run does not apply."""


def quantity(text) -> float:
    """Parses a Kubernetes quantity such as `500m`, `64Mi` or `2`."""
    number, suffix = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * SUFFIXES[suffix]


def reject_unknown(what: str, mapping: dict, known: set) -> None:
    """Raises an error that names the keys of the mapping that are not known."""
    unknown = sorted(set(mapping) - known)
    if unknown:
        raise UnsupportedManifest(f"{what}: {', '.join(unknown)}")


@dataclass
class Container:
    """A container of a pod, with its environment variables resolved."""

    name: str
    image: str
    command: list
    args: list
    env: dict
    ports: dict
    mounts: list
    security: dict
    limits: dict
    probes: dict
    pre_stop: float


@dataclass
class Pod:
    """A pod to run."""

    name: str
    index: int
    document: dict
    containers: list
    volumes: dict
    uid: int
    gid: int
    fs_group: int | None
    grace: float
    names: list
    is_service: bool


class Manifests:
    """The rendered documents of one overlay."""

    def __init__(self, documents: list) -> None:
        self.all = {}
        for document in documents:
            key = (document["kind"], document["metadata"]["name"])
            if key in self.all:
                raise UnsupportedManifest(f"{key} exists twice")
            self.all[key] = document
        (self.namespace,) = (name for kind, name in self.all if kind == "Namespace")

    def of(self, kind: str) -> list:
        """Returns all documents of this kind."""
        return [document for (of, _), document in self.all.items() if of == kind]

    def get(self, kind: str, name: str) -> dict:
        """Returns the document of this kind and name."""
        try:
            return self.all[kind, name]
        except KeyError:
            raise UnsupportedManifest(f"there is no {kind} {name}") from None

    def values(self, kind: str, name: str) -> dict:
        """Returns the values of a ConfigMap or Secret, as bytes."""
        document = self.get(kind, name)
        reject_unknown(f"{kind} {name}", document, {"apiVersion", "kind", "metadata", "data", "stringData", "type", "immutable"})
        data = document.get("data") or {}
        decode = base64.b64decode if kind == "Secret" else str.encode
        plain = document.get("stringData") or {}
        return {key: decode(value) for key, value in data.items()} | {key: value.encode() for key, value in plain.items()}

    def pods(self) -> list:
        """Returns the pods of all Deployments and StatefulSets. Autoscalers are ignored."""
        documents = self.of("Deployment") + self.of("StatefulSet")
        return [self.pod(one, index) for one in documents for index in range(one["spec"].get("replicas", 1))]

    def pod(self, document: dict, index: int) -> Pod:
        """Returns one pod of a Deployment or StatefulSet."""
        owner, spec = document["metadata"]["name"], document["spec"]
        name = f"{owner}-{index}"
        template = spec["template"]
        labels, of_pod = template["metadata"]["labels"], template["spec"]
        reject_unknown(f"pod of {owner}", of_pod, POD_FIELDS | IGNORED)
        security = of_pod.get("securityContext") or {}
        reject_unknown(
            f"pod of {owner}: securityContext",
            security,
            {"runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "fsGroupChangePolicy", "seccompProfile"},
        )
        if not security.get("runAsNonRoot") or not security.get("runAsUser"):
            raise UnsupportedManifest(f"pod of {owner}: runs as root")
        if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
            raise UnsupportedManifest(f"pod of {owner}: seccompProfile")
        volumes = {volume["name"]: volume for volume in of_pod.get("volumes") or []}
        for claim in spec.get("volumeClaimTemplates") or []:
            volumes[claim["metadata"]["name"]] = {"name": claim["metadata"]["name"], "claim": claim["spec"]}
        return Pod(
            name=name,
            index=index,
            document=document,
            containers=[self._container(name, container) for container in of_pod["containers"]],
            volumes=volumes,
            uid=security["runAsUser"],
            gid=security.get("runAsGroup", 0),
            fs_group=security.get("fsGroup"),
            grace=of_pod.get("terminationGracePeriodSeconds", 30),
            names=self._names(name, spec.get("serviceName"), labels, of_pod["containers"]),
            is_service=labels.get("app.kubernetes.io/component") == "service",
        )

    def _names(self, pod: str, governing: str | None, labels: dict, containers: list) -> list:
        """Returns the pod's DNS names: those of the Services that select it, and its own name in a StatefulSet.

        Names resolve directly to pods here, not to the address of a Service, so a Service must use the same port as its
        pods.
        """
        numbers = {port["name"]: port["containerPort"] for container in containers for port in container.get("ports", [])}
        names = []
        for service in self.of("Service"):
            name, spec = service["metadata"]["name"], service["spec"]
            selector = spec.get("selector") or {}
            if not selector or any(labels.get(key) != value for key, value in selector.items()):
                continue
            for port in spec["ports"]:
                target = port.get("targetPort", port["port"])
                if numbers.get(target, target) != port["port"]:
                    raise UnsupportedManifest(f"Service {name}: port {port['port']} maps to a different port")
            names.append(name)
        if governing:
            names.append(f"{pod}.{governing}")
        suffixes = ["", f".{self.namespace}", f".{self.namespace}.svc", f".{self.namespace}.svc.cluster.local"]
        return [name + suffix for name in names for suffix in suffixes]

    def _container(self, pod: str, spec: dict) -> Container:
        what = f"container {spec['name']} of {pod}"
        reject_unknown(what, spec, CONTAINER_FIELDS)
        limits = spec["resources"]["limits"]
        env = self._environment(what, pod, spec, limits)

        def expand(text: str) -> str:
            return re.sub(r"\$\(([A-Za-z0-9_]+)\)", lambda match: env.get(match[1], match[0]), text)

        lifecycle = spec.get("lifecycle") or {}
        pre_stop = lifecycle.get("preStop") or {"sleep": {"seconds": 0}}
        reject_unknown(f"{what}: lifecycle", lifecycle, {"preStop"})
        reject_unknown(f"{what}: preStop", pre_stop, {"sleep"})
        security = spec.get("securityContext") or {}
        reject_unknown(f"{what}: securityContext", security, {"allowPrivilegeEscalation", "readOnlyRootFilesystem", "capabilities"})
        if security.get("allowPrivilegeEscalation") is not False or security.get("capabilities") != {"drop": ["ALL"]}:
            raise UnsupportedManifest(f"{what}: its securityContext is not the restricted profile")
        return Container(
            name=spec["name"],
            image=spec["image"],
            command=[expand(word) for word in spec.get("command") or []],
            args=[expand(word) for word in spec.get("args") or []],
            env=env,
            ports={port["name"]: port["containerPort"] for port in spec.get("ports") or []},
            mounts=spec.get("volumeMounts") or [],
            security=security,
            limits=limits,
            probes={name: spec[f"{name}Probe"] for name in ("startup", "readiness", "liveness") if f"{name}Probe" in spec},
            pre_stop=pre_stop["sleep"]["seconds"],
        )

    def _environment(self, what: str, pod: str, spec: dict, limits: dict) -> dict:
        env = {}
        for source in spec.get("envFrom") or []:
            reject_unknown(f"{what}: envFrom", source, {"configMapRef", "secretRef"})
            for reference, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if reference in source:
                    reject_unknown(f"{what}: {reference}", source[reference], {"name"})
                    values = self.values(kind, source[reference]["name"])
                    env |= {name: value.decode() for name, value in values.items()}
        for variable in spec.get("env") or []:
            env[variable["name"]] = self._value(f"{what}: {variable['name']}", pod, variable, env, limits)
        return env

    def _value(self, what: str, pod: str, variable: dict, env: dict, limits: dict) -> str:
        if "valueFrom" not in variable:
            reject_unknown(what, variable, {"name", "value"})
            text = variable.get("value", "")
            return re.sub(r"\$\(([A-Za-z0-9_]+)\)", lambda match: env.get(match[1], match[0]), text)
        match variable["valueFrom"]:
            case {"secretKeyRef": {"name": name, "key": key}}:
                return self.values("Secret", name)[key].decode()
            case {"configMapKeyRef": {"name": name, "key": key}}:
                return self.values("ConfigMap", name)[key].decode()
            case {"fieldRef": {"fieldPath": "metadata.name"}}:
                return pod
            case {"fieldRef": {"fieldPath": "metadata.namespace"}}:
                return self.namespace
            case {"fieldRef": {"fieldPath": "status.podIP"}}:
                return ADDRESS
            case {"resourceFieldRef": {"resource": "limits.cpu"}}:
                return str(math.ceil(quantity(limits["cpu"])))
            case {"resourceFieldRef": {"resource": "limits.memory"}}:
                return str(int(quantity(limits["memory"])))
            case other:
                raise UnsupportedManifest(f"{what}: {other}")
