"""Runs pods by podman, as a kubelet would: volumes, security, limits, probes, and an orderly end."""

import ipaddress
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from manifests import ADDRESS, Container, Misunderstood, Pod, only, quantity

NETWORK = "ticketing-containers"
# Probes go to addresses of the pods' network, past any proxy of the machine.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Failed(Exception):
    """A pod did not do what it had to; ends the run."""


class Engine:
    """Podman with the storage of build.sh."""

    def __init__(self, out: Path, storage: str, runroot: str) -> None:
        self.command = ["podman", "--root", storage, "--runroot", runroot]
        self.data = out / "run"
        self.addresses = iter(())

    def __call__(self, *args: str, env: dict | None = None, check: bool = True) -> str:
        """What podman prints."""
        environment = os.environ | (env or {})
        done = subprocess.run([*self.command, *args], capture_output=True, text=True, env=environment, check=False)
        if check and done.returncode:
            raise Failed(f"podman {' '.join(args[:2])}: {done.stderr.strip()}")
        return done.stdout.strip()

    def open(self, subnet: str) -> None:
        """An empty network of these addresses that leads nowhere else."""
        self.close()
        self("network", "create", "--internal", "--subnet", subnet, NETWORK)
        # Those that are given to pods by name, from the last on: podman gives its own from the first on.
        self.addresses = map(str, reversed(list(ipaddress.ip_network(subnet).hosts())))
        self.data.mkdir(parents=True)

    def close(self) -> None:
        """Removes every container of a run, and the network."""
        of_run = self("ps", "--all", "--quiet", "--filter", f"network={NETWORK}", check=False).split()
        labelled = self("ps", "--all", "--quiet", "--filter", f"label={NETWORK}", check=False).split()
        for container in sorted({*of_run, *labelled}):
            self("rm", "--force", "--time", "0", container, check=False)
        self("network", "rm", "--force", NETWORK, check=False)
        shutil.rmtree(self.data, ignore_errors=True)

    def keep_logs(self) -> Path:
        """Writes what every container of the run has said into files, and gives their folder."""
        folder = self.data.parent / "logs"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in self("ps", "--all", "--format", "{{.Names}}", "--filter", f"label={NETWORK}").split():
            with (folder / f"{name}.log").open("w") as file:
                subprocess.run([*self.command, "logs", name], stdout=file, stderr=subprocess.STDOUT, check=False)
        return folder

    def address(self, container: str) -> str:
        """The container's address on the network."""
        networks = json.loads(self("inspect", "--format", "{{json .NetworkSettings.Networks}}", container))
        return networks[NETWORK]["IPAddress"]

    def image(self, name: str) -> str:
        """The image of this name. Ours are what build.sh made last, whatever tag the manifests give them:
        a deployment puts its own in its place."""
        if name.startswith("ticketing/"):
            return "localhost/" + name.partition(":")[0]
        return f"localhost/{name}"


class RunningPod:
    """A pod, while it runs and after."""

    def __init__(self, engine: Engine, manifests, pod: Pod) -> None:
        self.engine, self.manifests, self.pod = engine, manifests, pod
        self.names = [f"{pod.name}.{container.name}" for container in pod.containers]
        self.address = ""

    def start(self) -> None:
        """Starts its containers. The first has the pod's network, which the others share. A pod that is told its
        own address gets one that is chosen here."""
        is_told = any(ADDRESS in value for container in self.pod.containers for value in container.env.values())
        self.address = next(self.engine.addresses) if is_told else ""
        for name, container in zip(self.names, self.pod.containers, strict=True):
            env = {key: value.replace(ADDRESS, self.address) for key, value in container.env.items()}
            self.engine(*self._run(name, container), env=env)
        self.address = self.engine.address(self.names[0])

    def _run(self, name: str, container: Container) -> list:
        pod = self.pod
        args = ["run", "--detach", "--pull", "never", "--name", name, "--label", NETWORK]
        if name == self.names[0]:
            aliases = ",".join(f"alias={alias}" for alias in pod.names)
            args += ["--hostname", pod.name, "--network", f"{NETWORK}:{aliases}" if aliases else NETWORK]
            if self.address:
                args += ["--ip", self.address]
        else:
            args += ["--network", f"container:{self.names[0]}"]
        args += ["--user", f"{pod.uid}:{pod.gid}", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
        if pod.fs_group is not None:
            args += ["--group-add", str(pod.fs_group)]
        if container.security.get("readOnlyRootFilesystem"):
            args += ["--read-only", "--read-only-tmpfs=false"]
        args += ["--memory", str(int(quantity(container.limits["memory"]))), "--cpus", str(quantity(container.limits["cpu"]))]
        for mount in container.mounts:
            only(f"{name}: volumeMounts", mount, {"name", "mountPath", "readOnly"})
            source, writable = self._volume(mount["name"])
            mode = "rw" if writable and not mount.get("readOnly") else "ro"
            args += ["--volume", f"{source}:{mount['mountPath']}:{mode}"]
        # By name alone: podman takes the values from its own environment, so that no list of processes shows them.
        for variable in container.env:
            args += ["--env", variable]
        if container.command:
            args += ["--entrypoint", json.dumps(container.command)]
        return [*args, self.engine.image(container.image), *container.args]

    def _volume(self, name: str) -> tuple[Path, bool]:
        """The volume's folder on this machine, made where it is not there, and whether it may be written."""
        volume, folder = self.pod.volumes[name], self.engine.data / self.pod.name / name
        match {key: value for key, value in volume.items() if key != "name"}:
            case {"emptyDir": {**options}} | {"claim": {**options}}:
                is_new = not folder.exists()
                folder.mkdir(parents=True, exist_ok=True)
                if is_new:
                    os.chown(folder, 0, self.pod.fs_group or 0)
                    folder.chmod(0o2775 if "accessModes" in options else 0o2777)
                return folder, True
            case {"configMap": {"name": source, **options}}:
                values = self.manifests.values("ConfigMap", source)
            case {"secret": {"secretName": source, **options}}:
                values = self.manifests.values("Secret", source)
            case other:
                raise Misunderstood(f"volume {name} of {self.pod.name}: {other}")
        only(f"volume {name} of {self.pod.name}", options, {"items", "defaultMode"})
        items = options.get("items") or [{"key": key, "path": key} for key in values]
        folder.mkdir(parents=True, exist_ok=True)
        mode = options.get("defaultMode", 0o644)
        for item in items:
            file = folder / item["path"]
            file.write_bytes(values[item["key"]])
            # A kubelet lets the volume's group read each file.
            if self.pod.fs_group is not None:
                os.chown(file, 0, self.pod.fs_group)
                mode |= 0o040
            file.chmod(mode)
        return folder, False

    def probe(self, kind: str) -> bool:
        """Whether the probes of this kind succeed now; a container without one always does."""
        return all(self._probe(container, container.probes[kind]) for container in self.pod.containers if kind in container.probes)

    def _probe(self, container: Container, probe: dict) -> bool:
        timeout = probe.get("timeoutSeconds", 1)
        match probe:
            case {"httpGet": {"path": path, "port": port}}:
                url = f"http://{self.address}:{container.ports.get(port, port)}{path}"
                try:
                    with DIRECT.open(url, timeout=timeout) as answer:
                        return 200 <= answer.status < 400
                except (OSError, urllib.error.URLError):
                    return False
            case {"tcpSocket": {"port": port}}:
                try:
                    socket.create_connection((self.address, container.ports.get(port, port)), timeout).close()
                    return True
                except OSError:
                    return False
            case {"exec": {"command": command}}:
                name = f"{self.pod.name}.{container.name}"
                args = [*self.engine.command, "exec", name, *command]
                try:
                    return subprocess.run(args, capture_output=True, timeout=timeout, check=False).returncode == 0
                except subprocess.TimeoutExpired:
                    return False
            case other:
                raise Misunderstood(f"probe of {self.pod.name}: {other}")

    def wait(self, kind: str, patience: float | None = None) -> None:
        """Waits until the probes of this kind succeed, as long as a kubelet would or as told."""
        probes = [container.probes[kind] for container in self.pod.containers if kind in container.probes]
        if patience is None:
            patience = max([0, *(probe.get("failureThreshold", 3) * probe.get("periodSeconds", 10) for probe in probes)])
        until = time.monotonic() + patience
        while not self.probe(kind):
            for name in self.names:
                if self.engine("inspect", "--format", "{{.State.Running}}", name) != "true":
                    raise Failed(f"{name} has ended:\n{self.log(name)}")
            if time.monotonic() > until:
                raise Failed(f"{self.pod.name}: no {kind} within {patience:.0f} s:\n{self.log(self.names[0])}")
            time.sleep(0.1)

    def log(self, name: str) -> str:
        """The container's last lines."""
        done = subprocess.run([*self.engine.command, "logs", "--tail", "20", name], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def confine(self) -> None:
        """Makes sure that each process is confined as the manifests say, by what the kernel tells of it."""
        for name in self.names:
            process = Path("/proc") / self.engine("inspect", "--format", "{{.State.Pid}}", name)
            lines = (line.split(":", 1) for line in (process / "status").read_text().splitlines())
            status = {key: value.split() for key, value in lines}
            is_right = {
                "its user": status["Uid"] == [str(self.pod.uid)] * 4,
                "no capabilities": {int(status[key][0], 16) for key in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {0},
                "no new privileges": status["NoNewPrivs"] == ["1"],
                "a seccomp filter": status["Seccomp"] == ["2"],
            }
            mounts = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
            (root,) = (mount for mount in mounts if mount[4] == "/")
            is_right["a root that is read only"] = "ro" in root[5].split(",")
            wrong = [what for what, holds in is_right.items() if not holds]
            if wrong:
                raise Failed(f"{name} runs without {', '.join(wrong)}")

    def stop(self) -> tuple[float, dict]:
        """The orderly end: the pause before it, SIGTERM, and SIGKILL after the pod's grace. Gives the seconds
        from SIGTERM on and each container's exit code."""
        pause = max(container.pre_stop for container in self.pod.containers)
        time.sleep(pause)
        start = time.monotonic()
        self.engine("stop", "--time", str(int(self.pod.grace - pause)), *self.names)
        took = time.monotonic() - start
        codes = {name: int(self.engine("inspect", "--format", "{{.State.ExitCode}}", name)) for name in self.names}
        return took, codes

    def remove(self) -> None:
        """Removes what has ended; the volumes stay for the next of this name."""
        # The first has the network that the others share.
        for name in reversed(self.names):
            self.engine("rm", "--force", "--time", "0", name)
