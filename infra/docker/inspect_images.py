#!/usr/bin/env python3
"""Says what the built images hold, and fails where that is not what is promised.

Each layer is measured unpacked and packed; each image must run as 65532, start its program and hold
nothing else that could be started. Beside that, the list of crates of each program is written.
"""

import argparse
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

import sbom

USER = "65532:65532"
LABELS = ("title", "version", "revision", "source", "licenses")
PROGRAM = "service"


class Archive:
    """An image in an OCI archive, as podman saves it."""

    def __init__(self, path: Path) -> None:
        self.tar = tarfile.open(path)
        index = json.loads(self.read("index.json"))
        self.manifest = json.loads(self.blob(index["manifests"][0]["digest"]))
        self.config = json.loads(self.blob(self.manifest["config"]["digest"]))

    def read(self, name: str) -> bytes:
        """The bytes of one file of the archive."""
        return self.tar.extractfile(name).read()

    def blob(self, digest: str) -> bytes:
        """The bytes that this digest names."""
        return self.read("blobs/" + digest.replace(":", "/"))

    def layers(self):
        """Of each layer: its size as it is stored and sent, and its unpacked files by name."""
        for layer in self.manifest["layers"]:
            with tempfile.TemporaryFile() as file:
                file.write(self.blob(layer["digest"]))
                file.seek(0)
                with tarfile.open(fileobj=file) as tar:
                    files = {entry.name: (entry.mode, tar.extractfile(entry).read()) for entry in tar if entry.isfile()}
            yield layer["size"], files


def check(service: str, archive: Archive, limit: int) -> tuple[str, bytes]:
    """A line about the image, and its program; ends the process where a promise is broken."""
    sizes, files = [], {}
    for packed, layer in archive.layers():
        sizes.append((sum(len(body) for _, body in layer.values()), packed))
        files.update(layer)
    config = archive.config["config"]
    broken = []
    if config.get("User") != USER:
        broken.append(f"it runs as {config.get('User')}, not {USER}")
    if config.get("Entrypoint") != [f"/{PROGRAM}"]:
        broken.append(f"its entrypoint is {config.get('Entrypoint')}")
    labels = config.get("Labels") or {}
    broken += [f"label {name} is missing" for name in LABELS if not labels.get(f"org.opencontainers.image.{name}")]
    programs = sorted(name for name, (mode, _) in files.items() if mode & 0o111)
    if programs != [PROGRAM]:
        broken.append(f"it holds programs {programs}")
    broken += [f"a layer has {packed:,} bytes packed, more than {limit:,}" for _, packed in sizes if packed > limit]
    if broken:
        raise SystemExit(f"ticketing/{service}: {'; '.join(broken)}")
    layers = ", ".join(f"{size / 1e6:.1f} MB ({packed / 1e6:.1f} MB packed)" for size, packed in sizes)
    total = sum(size for size, _ in sizes)
    return f"{total / 1e6:6.1f} MB in {len(sizes)} layer(s): {layers}", files[PROGRAM][1]


def main() -> None:
    """Looks at the images that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, required=True, help="bytes that a layer may have, packed as it is sent")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--storage", required=True)
    parser.add_argument("--runroot", required=True)
    parser.add_argument("services", nargs="+")
    args = parser.parse_args()
    podman = ["podman", "--root", args.storage, "--runroot", args.runroot]
    for service in args.services:
        path = args.out / f"{service}.tar"
        path.unlink(missing_ok=True)
        save = [*podman, "save", "--quiet", "--format", "oci-archive", "--output", str(path), f"localhost/ticketing/{service}"]
        subprocess.run(save, check=True, stdout=subprocess.DEVNULL)
        archive = Archive(path)
        line, program = check(service, archive, args.limit)
        version = archive.config["config"]["Labels"]["org.opencontainers.image.version"]
        crates = sbom.document(program, service, version)
        (args.out / f"{service}.cdx.json").write_text(json.dumps(crates, indent=1) + "\n")
        print(f"{service:>12} {line}, {len(crates['components'])} crates", flush=True)
        path.unlink()


if __name__ == "__main__":
    main()
