"""Runs the images as the dev manifests say, without a cluster, and buys tickets through them.

What a cluster does with a pod is done here by podman and by this program: Secrets and ConfigMaps, the
security context, limits, names, probes, preStop, SIGTERM and the grace, and a rolling update. What is
not: scheduling, autoscaling, and the NetworkPolicies; the pods' network leads nowhere else, but in it
everybody may speak to everybody. run.sh starts this.
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
from manifests import Manifests, Misunderstood
from podman import Engine, Failed, RunningPod

# For the first start, in which the replica set and its users are made, and after a server was away.
PATIENCE = 90


def say(what: str, more: str) -> None:
    """A line for whoever watches."""
    print(f"{what:>12} {more}", flush=True)


class Run:
    """The pods that run now, and what has been seen of them."""

    def __init__(self, root: Path, engine: Engine, manifests: Manifests) -> None:
        self.root, self.engine, self.manifests = root, engine, manifests
        self.pods = [RunningPod(engine, manifests, pod) for pod in manifests.pods()]
        self.gateway = Gateway(engine, manifests, engine.image(servers.GATEWAY))
        settings = next(container.env for pod in self.pods for container in pod.pod.containers if "PUBLIC_URL" in container.env)
        self.shop = settings["PUBLIC_URL"]
        # The pods' addresses are those that the manifests believe when they speak for a client.
        trusted = ipaddress.ip_network(settings["TRUSTED_PROXIES"].split(",")[0])
        self.subnet = str(next(trusted.subnets(new_prefix=24)))
        self.curl_home = engine.data / "curl"
        self.bought, self.longest, self.drains, self.failures = 0, 0.0, [], []
        self.is_enough, self.is_over = threading.Event(), threading.Event()

    def start(self) -> None:
        """Starts everything at once, as a cluster does, and waits until all is ready."""
        self.engine.open(self.subnet)
        for pod in self.pods:
            pod.start()
        for pod in self.pods:
            pod.wait("startup")
            pod.confine()
        for pod in self.pods:
            pod.wait("readiness", PATIENCE)
        self.gateway.start()
        self.gateway.curl_home(self.curl_home)

    def buy(self) -> None:
        """One ticket, by the tour of the README."""
        self.longest = max(self.longest, tour.buy(self.root, self.shop, self.curl_home))
        self.bought += 1

    def look(self) -> None:
        """What is looked at after a deployment: pages, APIs, and that plain HTTP is sent to HTTPS."""
        environment = os.environ | {"CURL_HOME": str(self.curl_home)}
        smoke = [self.root / "infra/ci/smoke.sh", self.shop]
        done = subprocess.run(smoke, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"{done.stdout}{done.stderr}")
        say("Looked", f"at {done.stdout.count(' ok ')} pages and APIs")

    def end(self, pod: RunningPod) -> None:
        """Ends a pod in order; a service's has to drain within its time and to leave with 0."""
        self.pods.remove(pod)
        took, codes = pod.stop()
        if pod.pod.is_service:
            self.drains.append((took, pod.pod))
            if any(codes.values()):
                raise Failed(f"{pod.pod.name} ended with {codes} after {took:.1f} s:\n{pod.log(pod.names[0])}")
        pod.remove()

    def begin(self, pod: RunningPod) -> None:
        """Starts a pod and waits until it is ready."""
        pod.start()
        pod.wait("startup")
        pod.wait("readiness", PATIENCE)
        self.pods.append(pod)

    def replace(self, pod: RunningPod) -> None:
        """As a rolling update does: the next pod is ready before this one ends."""
        before = self.bought
        self.begin(RunningPod(self.engine, self.manifests, self.manifests.pod(pod.pod.document, pod.pod.index + 1)))
        self.end(pod)
        took, _ = self.drains[-1]
        say("Replaced", f"{pod.pod.name}, which left with 0 after {took:.1f} s; {self.bought - before} tickets bought meanwhile")

    def restart(self, pod: RunningPod) -> None:
        """As a StatefulSet does: it ends, and another of its name has its volumes; then everything recovers."""
        self.end(pod)
        self.begin(RunningPod(self.engine, self.manifests, pod.pod))
        for other in self.pods:
            other.wait("readiness", PATIENCE)
        self.buy()
        say("Restarted", f"{pod.pod.name}, and bought a ticket")

    def trade(self) -> None:
        """Buys ticket after ticket until it is told that this is enough."""
        try:
            while not self.is_enough.is_set():
                self.buy()
        except Failed as failure:
            self.failures.append(failure)

    def watch(self) -> None:
        """Asks whether the pods live, as often as their probes say."""
        misses = {}
        while not self.is_over.wait(1):
            for pod in list(self.pods):
                for container in pod.pod.containers:
                    probe = container.probes.get("liveness")
                    due, missed = misses.get((pod, container.name), (0, 0))
                    if not probe or time.monotonic() < due:
                        continue
                    missed = 0 if pod.probe("liveness") else missed + 1
                    misses[pod, container.name] = (time.monotonic() + probe.get("periodSeconds", 10), missed)
                    if pod in self.pods and missed >= probe.get("failureThreshold", 3):
                        self.failures.append(Failed(f"{pod.pod.name} does not answer its liveness probe"))
                        return

    def journey(self) -> None:
        """The whole run."""
        start = time.monotonic()
        self.start()
        say("Ready", f"{len(self.pods)} pods of infra/k8s-dev behind {self.shop}, after {time.monotonic() - start:.1f} s")
        self.look()
        watcher, trader = threading.Thread(target=self.watch), threading.Thread(target=self.trade)
        watcher.start()
        try:
            self.buy()
            say("Bought", f"a ticket in {self.longest:.1f} s")
            trader.start()
            services = [pod for pod in self.pods if pod.pod.is_service]
            for pod in services:
                self.replace(pod)
            self.is_enough.set()
            trader.join()
            # MongoDB, NATS and Redis: what is not ours. The stand-in for Stripe forgets everything when it ends.
            theirs = [pod for pod in self.pods if not pod.pod.containers[0].image.startswith("ticketing/")]
            for pod in theirs:
                self.restart(pod)
        finally:
            self.is_enough.set()
            self.is_over.set()
            watcher.join()
            if trader.ident:
                trader.join()
        for failure in self.failures:
            raise failure
        rest = [pod for pod in self.pods if pod.pod.is_service]
        with ThreadPoolExecutor(len(rest)) as pool:
            list(pool.map(self.end, rest))
        took, slowest = max(self.drains, key=lambda drain: drain[0])
        print(
            f"{self.bought} tickets bought, none in more than {self.longest:.1f} s; "
            f"{len(self.drains)} pods of services ended by SIGTERM, all with 0, the slowest ({slowest.name}) after {took:.1f} s of {slowest.grace} s",
            flush=True,
        )


def main() -> int:
    """Renders, runs and cleans up."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("root", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("storage", "runroot", "kubectl"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()
    # What is asked to end cleans up too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rendered = subprocess.run([args.kubectl, "kustomize", "infra/k8s-dev"], cwd=args.root, check=True, capture_output=True)
    engine = Engine(args.out, args.storage, args.runroot)
    try:
        manifests = Manifests([document for document in yaml.safe_load_all(rendered.stdout) if document])
        images = {container.image for pod in manifests.pods() for container in pod.containers}
        servers.provide(engine, args.root, images | {servers.GATEWAY})
        run = Run(args.root, engine, manifests)
        run.journey()
    except (Failed, Misunderstood) as failure:
        print(f"run.sh: {failure}\nThe logs are in {engine.keep_logs()}", file=sys.stderr)
        return 1
    finally:
        engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
