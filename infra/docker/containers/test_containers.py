#!/usr/bin/env python3
"""Tests of how manifests are read: python3 infra/docker/containers/test_containers.py"""

import base64
import copy
import unittest

import gateway
from manifests import ADDRESS, Manifests, Misunderstood, quantity

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
    """A namespace with one Deployment of this pod, and its Service with this port."""
    labels = {"app.kubernetes.io/name": "one", "app.kubernetes.io/component": "service"}
    documents = [
        ("Namespace", "shop", {}),
        ("ConfigMap", "settings", {"data": {"A": "1", "PASSWORD": "overruled"}}),
        ("Secret", "secret", {"data": {"PASSWORD": base64.b64encode(b"s3cret").decode()}}),
        # Run by a cluster alone.
        ("CronJob", "backup", {"spec": {"jobTemplate": {"spec": {"template": {"spec": {"hostNetwork": True}}}}}}),
        ("PersistentVolumeClaim", "backup", {"spec": {"accessModes": ["ReadWriteOnce"]}}),
        ("Service", "one", {"spec": {"selector": labels, "ports": [{"port": port, "targetPort": "http"}]}}),
        ("Deployment", "one", {"spec": {"template": {"metadata": {"labels": labels}, "spec": pod}}}),
    ]
    return Manifests([{"kind": kind, "metadata": {"name": name}} | more for kind, name, more in documents])


def changed(where: list, value: object) -> dict:
    """The pod with another value at this place."""
    pod = copy.deepcopy(POD)
    *way, last = where
    place = pod
    for step in way:
        place = place[step]
    place[last] = value
    return pod


class Pods(unittest.TestCase):
    """What becomes of a pod's template."""

    def test_environment_arguments_and_names_are_filled_in(self) -> None:
        (pod,) = manifests().pods()
        (container,) = pod.containers
        url = "redis://:s3cret@redis"
        pod_fields = {"WHO": "one-0", "WHERE": ADDRESS, "CPUS": "2"}
        self.assertEqual(container.env, {"A": "1", "PASSWORD": "s3cret", **pod_fields, "URL": url})
        self.assertEqual(container.args, ["--password", "s3cret", "$(NOTHING)"])
        self.assertEqual(pod.names, ["one", "one.shop", "one.shop.svc", "one.shop.svc.cluster.local"])
        self.assertEqual((pod.grace, container.pre_stop, pod.is_service), (45, 5, True))

    def test_what_is_not_applied_is_refused(self) -> None:
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
            with self.subTest(where=where, value=value), self.assertRaises(Misunderstood):
                manifests(changed(where, value)).pods()

    def test_a_service_that_changes_the_port_is_refused(self) -> None:
        with self.assertRaises(Misunderstood):
            manifests(port=80).pods()

    def test_quantities(self) -> None:
        self.assertEqual([quantity(text) for text in ("2", "500m", "64Mi", "1Gi")], [2, 0.5, 2**26, 2**30])


class Routes(unittest.TestCase):
    """What becomes of an HTTPRoute."""

    def test_paths_end_at_segments(self) -> None:
        self.assertEqual(gateway.pattern({"path": {"type": "PathPrefix", "value": "/api/users"}}), "^/api/users(?:/|$)")
        self.assertEqual(gateway.pattern({}), "^(?:/|$)")
        self.assertEqual(gateway.pattern({"path": {"type": "Exact", "value": "/a.b"}}), r"^/a\.b$")

    def test_what_is_not_applied_is_refused(self) -> None:
        one = {"backendRefs": [{"name": "one", "port": 3000}]}
        for rule in (
            {"backendRefs": [*one["backendRefs"], *one["backendRefs"]]},
            one | {"timeouts": {"request": "1s"}},
            one | {"matches": [{"method": "GET"}]},
            one | {"matches": [{"path": {"type": "RegularExpression", "value": "/.*"}}]},
            {"filters": [{"type": "URLRewrite", "urlRewrite": {}}]},
        ):
            with self.subTest(rule=rule), self.assertRaises(Misunderstood):
                gateway.routes({"spec": {"rules": [rule]}})


if __name__ == "__main__":
    unittest.main()
