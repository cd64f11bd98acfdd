"""Runs the images as the dev manifests describe, without a cluster, and buys tickets from them.

Podman and this program do what a cluster does with a pod: Secrets and ConfigMaps, the security context, limits,
names, probes, preStop, SIGTERM and the grace period, and rolling updates. Not covered are scheduling, autoscaling and
NetworkPolicies: the pods' network has no route to the outside, but all pods in it can connect to each other. run.sh
starts this program.
"""

import argparse
import ipaddress
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import yaml

import servers
import tour
from gateway import Gateway
from manifests import Manifests, UnsupportedManifest
from podman import Engine, Failed, RunningPod

# Seconds; covers the first start, which creates the replica set and its users, and a server's restart.
READY_TIMEOUT = 90


def report(what: str, more: str) -> None:
    """Prints a line of progress."""
    print(f"{what:>12} {more}", flush=True)


class Run:
    """The running pods, and the results so far."""

    def __init__(self, root: Path, engine: Engine, manifests: Manifests) -> None:
        self.root, self.engine, self.manifests = root, engine, manifests
        self.pods = [RunningPod(engine, manifests, pod) for pod in manifests.pods()]
        self.gateway = Gateway(engine, manifests, engine.image(servers.GATEWAY))
        settings = next(container.env for pod in self.pods for container in pod.pod.containers if "PUBLIC_URL" in container.env)
        self.shop = settings["PUBLIC_URL"]
        # Pods get addresses from the network whose X-Forwarded-For headers the manifests trust.
        trusted = ipaddress.ip_network(settings["TRUSTED_PROXIES"].split(",")[0])
        self.subnet = str(next(trusted.subnets(new_prefix=24)))
        self.curl_home = engine.data / "curl"
        self.bought, self.longest, self.drains, self.failures = 0, 0.0, [], []
        self.stop_buying, self.stop_probing = threading.Event(), threading.Event()

    def start(self) -> None:
        """Starts all pods at once, as a cluster does, and waits until they are ready."""
        self.engine.open(self.subnet)
        for pod in self.pods:
            pod.start()
        for pod in self.pods:
            pod.wait("startup")
            pod.check_confinement()
        for pod in self.pods:
            pod.wait("readiness", READY_TIMEOUT)
        self.gateway.start()
        self.gateway.write_curl_home(self.curl_home)

    def buy(self) -> None:
        """Buys one ticket with the README's tour."""
        self.longest = max(self.longest, tour.buy(self.root, self.shop, self.curl_home))
        self.bought += 1

    def smoke_test(self) -> None:
        """Runs the smoke test of deployments: pages, APIs, and the redirect from HTTP to HTTPS."""
        environment = os.environ | {"CURL_HOME": str(self.curl_home)}
        smoke = [self.root / "infra/ci/smoke.sh", self.shop]
        done = subprocess.run(smoke, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"{done.stdout}{done.stderr}")
        report("Checked", f"{done.stdout.count(' ok ')} pages and APIs")

    def stop_pod(self, pod: RunningPod) -> None:
        """Stops a pod gracefully. A service has to exit with 0 within its grace period."""
        self.pods.remove(pod)
        took, codes = pod.stop()
        if pod.pod.is_service:
            self.drains.append((took, pod.pod))
            if any(codes.values()):
                raise Failed(f"{pod.pod.name} ended with {codes} after {took:.1f} s:\n{pod.log(pod.names[0])}")
        pod.remove()

    def start_pod(self, pod: RunningPod) -> None:
        """Starts a pod and waits until it is ready."""
        pod.start()
        pod.wait("startup")
        pod.wait("readiness", READY_TIMEOUT)
        self.pods.append(pod)

    def replace(self, pod: RunningPod) -> None:
        """Replaces a pod as a rolling update does: the new pod is ready before the old one stops."""
        before = self.bought
        self.start_pod(RunningPod(self.engine, self.manifests, self.manifests.pod(pod.pod.document, pod.pod.index + 1)))
        self.stop_pod(pod)
        took, _ = self.drains[-1]
        report("Replaced", f"{pod.pod.name}, which exited with 0 after {took:.1f} s; {self.bought - before} tickets bought meanwhile")

    def restart(self, pod: RunningPod) -> None:
        """Restarts a pod as a StatefulSet does: the new pod has the same name and volumes. Then waits for recovery."""
        self.stop_pod(pod)
        self.start_pod(RunningPod(self.engine, self.manifests, pod.pod))
        for other in self.pods:
            other.wait("readiness", READY_TIMEOUT)
        self.buy()
        report("Restarted", f"{pod.pod.name}, and bought a ticket")

    def buy_continuously(self) -> None:
        """Buys one ticket after another until `stop_buying` is set."""
        try:
            while not self.stop_buying.is_set():
                self.buy()
        except Failed as failure:
            self.failures.append(failure)

    def check_liveness(self) -> None:
        """Runs the pods' liveness probes in their intervals until `stop_probing` is set."""
        misses = {}
        while not self.stop_probing.wait(1):
            for pod in list(self.pods):
                for container in pod.pod.containers:
                    probe = container.probes.get("liveness")
                    due, missed = misses.get((pod, container.name), (0, 0))
                    if not probe or time.monotonic() < due:
                        continue
                    missed = 0 if pod.probe("liveness") else missed + 1
                    misses[pod, container.name] = (time.monotonic() + probe.get("periodSeconds", 10), missed)
                    if pod in self.pods and missed >= probe.get("failureThreshold", 3):
                        self.failures.append(Failed(f"{pod.pod.name} fails its liveness probe"))
                        return

    def run(self) -> None:
        """Runs all steps."""
        start = time.monotonic()
        self.start()
        report("Ready", f"{len(self.pods)} pods of infra/k8s-dev behind {self.shop}, after {time.monotonic() - start:.1f} s")
        self.smoke_test()
        prober, buyer = threading.Thread(target=self.check_liveness), threading.Thread(target=self.buy_continuously)
        prober.start()
        try:
            self.buy()
            report("Bought", f"a ticket in {self.longest:.1f} s")
            buyer.start()
            services = [pod for pod in self.pods if pod.pod.is_service]
            for pod in services:
                self.replace(pod)
            self.stop_buying.set()
            buyer.join()
            # MongoDB, NATS and Redis. The fake Stripe server is not restarted, because its state is in memory.
            third_party = [pod for pod in self.pods if not pod.pod.containers[0].image.startswith("ticketing/")]
            for pod in third_party:
                self.restart(pod)
        finally:
            self.stop_buying.set()
            self.stop_probing.set()
            prober.join()
            if buyer.ident:
                buyer.join()
        for failure in self.failures:
            raise failure
        rest = [pod for pod in self.pods if pod.pod.is_service]
        with ThreadPoolExecutor(len(rest)) as pool:
            list(pool.map(self.stop_pod, rest))
        took, slowest = max(self.drains, key=lambda drain: drain[0])
        print(
            f"{self.bought} tickets bought, none in more than {self.longest:.1f} s; "
            f"{len(self.drains)} service pods stopped by SIGTERM, all with exit code 0, the slowest ({slowest.name}) after {took:.1f} s of {slowest.grace} s",
            flush=True,
        )


def main() -> int:
    """Renders the manifests, runs the pods and cleans up."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("root", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("storage", "runroot", "kubectl"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()
    # SystemExit on SIGTERM, so that the cleanup below runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rendered = subprocess.run([args.kubectl, "kustomize", "infra/k8s-dev"], cwd=args.root, check=True, capture_output=True)
    engine = Engine(args.out, args.storage, args.runroot)
    try:
        manifests = Manifests([document for document in yaml.safe_load_all(rendered.stdout) if document])
        images = {container.image for pod in manifests.pods() for container in pod.containers}
        servers.provide(engine, args.root, images | {servers.GATEWAY})
        run = Run(args.root, engine, manifests)
        run.run()
    except (Failed, UnsupportedManifest) as failure:
        print(f"run.sh: {failure}\nThe logs are in {engine.keep_logs()}", file=sys.stderr)
        return 1
    finally:
        engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
