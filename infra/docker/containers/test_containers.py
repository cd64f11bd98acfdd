#!/usr/bin/env python3
"""Tests of the manifest reader and the gateway's configuration: python3 infra/docker/containers/test_containers.py"""

import base64
import copy
import unittest

import gateway
from manifests import ADDRESS, Manifests, UnsupportedManifest, quantity

RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
CONTAINER = {
    "name": "one",
    "image": "ticketing/one",
    "args": ["--password", "$(PASSWORD)", "$(NOTHING)"],
    "envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "secret"}}],
    "env": [
        {"name": "WHO", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "WHERE", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "CPUS", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "URL", "value": "redis://:$(PASSWORD)@redis"},
    ],
    "ports": [{"name": "http", "containerPort": 3000}],
    "resources": {"limits": {"cpu": "1500m", "memory": "64Mi"}},
    "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
    "securityContext": RESTRICTED,
}
POD = {
    "containers": [CONTAINER],
    "terminationGracePeriodSeconds": 45,
    "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
}


def manifests(pod: dict = POD, port: int = 3000) -> Manifests:
    """Returns a namespace with one Deployment of this pod, and its Service with this port."""
    labels = {"app.kubernetes.io/name": "one", "app.kubernetes.io/component": "service"}
    documents = [
        ("Namespace", "shop", {}),
        ("ConfigMap", "settings", {"data": {"A": "1", "PASSWORD": "overruled"}}),
        ("Secret", "secret", {"data": {"PASSWORD": base64.b64encode(b"s3cret").decode()}}),
        # Only a cluster runs these.
        ("CronJob", "backup", {"spec": {"jobTemplate": {"spec": {"template": {"spec": {"hostNetwork": True}}}}}}),
        ("PersistentVolumeClaim", "backup", {"spec": {"accessModes": ["ReadWriteOnce"]}}),
        ("Service", "one", {"spec": {"selector": labels, "ports": [{"port": port, "targetPort": "http"}]}}),
        ("Deployment", "one", {"spec": {"template": {"metadata": {"labels": labels}, "spec": pod}}}),
    ]
    return Manifests([{"kind": kind, "metadata": {"name": name}} | more for kind, name, more in documents])


def changed(where: list, value: object) -> dict:
    """Returns the pod with another value at this path."""
    pod = copy.deepcopy(POD)
    *way, last = where
    place = pod
    for step in way:
        place = place[step]
    place[last] = value
    return pod


class Pods(unittest.TestCase):
    """Reading pods from templates."""

    def test_environment_arguments_and_names_are_resolved(self) -> None:
        (pod,) = manifests().pods()
        (container,) = pod.containers
        url = "redis://:s3cret@redis"
        pod_fields = {"WHO": "one-0", "WHERE": ADDRESS, "CPUS": "2"}
        self.assertEqual(container.env, {"A": "1", "PASSWORD": "s3cret", **pod_fields, "URL": url})
        self.assertEqual(container.args, ["--password", "s3cret", "$(NOTHING)"])
        self.assertEqual(pod.names, ["one", "one.shop", "one.shop.svc", "one.shop.svc.cluster.local"])
        self.assertEqual((pod.grace, container.pre_stop, pod.is_service), (45, 5, True))

    def test_unsupported_settings_are_rejected(self) -> None:
        for where, value in (
            (["hostNetwork"], True),
            (["initContainers"], []),
            (["securityContext", "runAsUser"], 0),
            (["securityContext", "seccompProfile"], {"type": "Unconfined"}),
            (["securityContext", "sysctls"], []),
            (["containers", 0, "tty"], True),
            (["containers", 0, "securityContext"], {}),
            (["containers", 0, "securityContext"], RESTRICTED | {"privileged": True}),
            (["containers", 0, "lifecycle"], {"preStop": {"exec": {"command": ["sleep"]}}}),
            (["containers", 0, "envFrom", 0, "prefix"], "X_"),
            (["containers", 0, "envFrom", 0], {"secretRef": {"name": "unknown"}}),
            (["containers", 0, "env", 0, "valueFrom"], {"fieldRef": {"fieldPath": "spec.nodeName"}}),
        ):
            with self.subTest(where=where, value=value), self.assertRaises(UnsupportedManifest):
                manifests(changed(where, value)).pods()

    def test_a_service_that_maps_to_another_port_is_rejected(self) -> None:
        with self.assertRaises(UnsupportedManifest):
            manifests(port=80).pods()

    def test_quantities(self) -> None:
        self.assertEqual([quantity(text) for text in ("2", "500m", "64Mi", "1Gi")], [2, 0.5, 2**26, 2**30])


class Routes(unittest.TestCase):
    """Translating HTTPRoutes."""

    def test_path_prefixes_match_whole_segments(self) -> None:
        self.assertEqual(gateway.pattern({"path": {"type": "PathPrefix", "value": "/api/users"}}), "^/api/users(?:/|$)")
        self.assertEqual(gateway.pattern({}), "^(?:/|$)")
        self.assertEqual(gateway.pattern({"path": {"type": "Exact", "value": "/a.b"}}), r"^/a\.b$")

    def test_unsupported_settings_are_rejected(self) -> None:
        one = {"backendRefs": [{"name": "one", "port": 3000}]}
        for rule in (
            {"backendRefs": [*one["backendRefs"], *one["backendRefs"]]},
            one | {"timeouts": {"request": "1s"}},
            one | {"matches": [{"method": "GET"}]},
            one | {"matches": [{"path": {"type": "RegularExpression", "value": "/.*"}}]},
            {"filters": [{"type": "URLRewrite", "urlRewrite": {}}]},
        ):
            with self.subTest(rule=rule), self.assertRaises(UnsupportedManifest):
                gateway.routes({"spec": {"rules": [rule]}})


if __name__ == "__main__":
    unittest.main()
