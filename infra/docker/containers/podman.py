"""Runs pods with podman as a kubelet would: volumes, security, limits, probes and graceful shutdown."""

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

from manifests import ADDRESS, Container, Pod, UnsupportedManifest, quantity, reject_unknown

NETWORK = "ticketing-containers"
# Probes connect directly to addresses in the pods' network, never through a proxy.
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Failed(Exception):
    """A pod or a command failed; the run ends."""


class Engine:
    """Podman, with the image storage of build.sh."""

    def __init__(self, out: Path, storage: str, runroot: str) -> None:
        self.command = ["podman", "--root", storage, "--runroot", runroot]
        self.data = out / "run"
        self.addresses = iter(())

    def __call__(self, *args: str, env: dict | None = None, check: bool = True) -> str:
        """Runs podman and returns its output."""
        environment = os.environ | (env or {})
        done = subprocess.run([*self.command, *args], capture_output=True, text=True, env=environment, check=False)
        if check and done.returncode:
            raise Failed(f"podman {' '.join(args[:2])}: {done.stderr.strip()}")
        return done.stdout.strip()

    def open(self, subnet: str) -> None:
        """Creates an empty network with this subnet and no route to the outside."""
        self.close()
        self("network", "create", "--internal", "--subnet", subnet, NETWORK)
        # Addresses assigned explicitly, starting at the end of the subnet; podman assigns its own from the start.
        self.addresses = map(str, reversed(list(ipaddress.ip_network(subnet).hosts())))
        self.data.mkdir(parents=True)

    def close(self) -> None:
        """Removes all containers of a run, and the network."""
        of_run = self("ps", "--all", "--quiet", "--filter", f"network={NETWORK}", check=False).split()
        labelled = self("ps", "--all", "--quiet", "--filter", f"label={NETWORK}", check=False).split()
        for container in sorted({*of_run, *labelled}):
            self("rm", "--force", "--time", "0", container, check=False)
        self("network", "rm", "--force", NETWORK, check=False)
        shutil.rmtree(self.data, ignore_errors=True)

    def keep_logs(self) -> Path:
        """Writes the logs of all containers of the run to files, and returns their folder."""
        folder = self.data.parent / "logs"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name in self("ps", "--all", "--format", "{{.Names}}", "--filter", f"label={NETWORK}").split():
            with (folder / f"{name}.log").open("w") as file:
                subprocess.run([*self.command, "logs", name], stdout=file, stderr=subprocess.STDOUT, check=False)
        return folder

    def address(self, container: str) -> str:
        """Returns the container's address in the network."""
        networks = json.loads(self("inspect", "--format", "{{json .NetworkSettings.Networks}}", container))
        return networks[NETWORK]["IPAddress"]

    def image(self, name: str) -> str:
        """Returns the local image for a name in the manifests. The tags of this repository's images are ignored, because
        a deployment sets them; build.sh's latest build is used."""
        if name.startswith("ticketing/"):
            return "localhost/" + name.partition(":")[0]
        return f"localhost/{name}"


class RunningPod:
    """A pod that is running or was stopped."""

    def __init__(self, engine: Engine, manifests, pod: Pod) -> None:
        self.engine, self.manifests, self.pod = engine, manifests, pod
        self.names = [f"{pod.name}.{container.name}" for container in pod.containers]
        self.address = ""

    def start(self) -> None:
        """Starts the containers. The others share the network of the first. A pod whose environment contains its own
        address gets one that is chosen here."""
        needs_address = any(ADDRESS in value for container in self.pod.containers for value in container.env.values())
        self.address = next(self.engine.addresses) if needs_address else ""
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
            reject_unknown(f"{name}: volumeMounts", mount, {"name", "mountPath", "readOnly"})
            source, writable = self._volume(mount["name"])
            mode = "rw" if writable and not mount.get("readOnly") else "ro"
            args += ["--volume", f"{source}:{mount['mountPath']}:{mode}"]
        # Without values: podman reads them from its own environment, so that process listings do not show them.
        for variable in container.env:
            args += ["--env", variable]
        if container.command:
            args += ["--entrypoint", json.dumps(container.command)]
        return [*args, self.engine.image(container.image), *container.args]

    def _volume(self, name: str) -> tuple[Path, bool]:
        """Returns the volume's folder on this machine, created if necessary, and whether it is writable."""
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
                raise UnsupportedManifest(f"volume {name} of {self.pod.name}: {other}")
        reject_unknown(f"volume {name} of {self.pod.name}", options, {"items", "defaultMode"})
        items = options.get("items") or [{"key": key, "path": key} for key in values]
        folder.mkdir(parents=True, exist_ok=True)
        mode = options.get("defaultMode", 0o644)
        for item in items:
            file = folder / item["path"]
            file.write_bytes(values[item["key"]])
            # Like a kubelet, let the fsGroup read each file.
            if self.pod.fs_group is not None:
                os.chown(file, 0, self.pod.fs_group)
                mode |= 0o040
            file.chmod(mode)
        return folder, False

    def probe(self, kind: str) -> bool:
        """Whether all probes of this kind succeed now. A container without such a probe counts as successful."""
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
                raise UnsupportedManifest(f"probe of {self.pod.name}: {other}")

    def wait(self, kind: str, timeout: float | None = None) -> None:
        """Waits until the probes of this kind succeed; by default as long as a kubelet would wait."""
        probes = [container.probes[kind] for container in self.pod.containers if kind in container.probes]
        if timeout is None:
            timeout = max([0, *(probe.get("failureThreshold", 3) * probe.get("periodSeconds", 10) for probe in probes)])
        until = time.monotonic() + timeout
        while not self.probe(kind):
            for name in self.names:
                if self.engine("inspect", "--format", "{{.State.Running}}", name) != "true":
                    raise Failed(f"{name} has ended:\n{self.log(name)}")
            if time.monotonic() > until:
                raise Failed(f"{self.pod.name}: no successful {kind} probe within {timeout:.0f} s:\n{self.log(self.names[0])}")
            time.sleep(0.1)

    def log(self, name: str) -> str:
        """Returns the last lines of the container's log."""
        done = subprocess.run([*self.engine.command, "logs", "--tail", "20", name], capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    def check_confinement(self) -> None:
        """Verifies in /proc that each process is confined as the manifests require."""
        for name in self.names:
            process = Path("/proc") / self.engine("inspect", "--format", "{{.State.Pid}}", name)
            lines = (line.split(":", 1) for line in (process / "status").read_text().splitlines())
            status = {key: value.split() for key, value in lines}
            restrictions = {
                "the required user": status["Uid"] == [str(self.pod.uid)] * 4,
                "dropping all capabilities": {int(status[key][0], 16) for key in ("CapEff", "CapPrm", "CapBnd", "CapInh")} == {0},
                "no_new_privs": status["NoNewPrivs"] == ["1"],
                "a seccomp filter": status["Seccomp"] == ["2"],
            }
            mounts = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
            (root,) = (mount for mount in mounts if mount[4] == "/")
            restrictions["a read-only root file system"] = "ro" in root[5].split(",")
            missing = [what for what, holds in restrictions.items() if not holds]
            if missing:
                raise Failed(f"{name} runs without {', '.join(missing)}")

    def stop(self) -> tuple[float, dict]:
        """Stops the pod gracefully: the preStop pause, SIGTERM, and SIGKILL after the grace period. Returns the seconds
        since SIGTERM and each container's exit code."""
        pause = max(container.pre_stop for container in self.pod.containers)
        time.sleep(pause)
        start = time.monotonic()
        self.engine("stop", "--time", str(int(self.pod.grace - pause)), *self.names)
        took = time.monotonic() - start
        codes = {name: int(self.engine("inspect", "--format", "{{.State.ExitCode}}", name)) for name in self.names}
        return took, codes

    def remove(self) -> None:
        """Removes the stopped containers. The volumes stay for the next pod of this name."""
        # The first is removed last, because the others share its network.
        for name in reversed(self.names):
            self.engine("rm", "--force", "--time", "0", name)
