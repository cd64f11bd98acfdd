#!/usr/bin/env python3
"""Reports the contents of the built images, and fails if they violate a requirement.

Measures each layer, uncompressed and compressed. Each image must run as 65532, start its program, and contain no other
executable. Also writes the list of crates of each program.
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
        """Returns the bytes of one file of the archive."""
        return self.tar.extractfile(name).read()

    def blob(self, digest: str) -> bytes:
        """Returns the bytes of the blob with this digest."""
        return self.read("blobs/" + digest.replace(":", "/"))

    def layers(self):
        """Yields the compressed size and the files, by name, of each layer."""
        for layer in self.manifest["layers"]:
            with tempfile.TemporaryFile() as file:
                file.write(self.blob(layer["digest"]))
                file.seek(0)
                with tarfile.open(fileobj=file) as tar:
                    files = {entry.name: (entry.mode, tar.extractfile(entry).read()) for entry in tar if entry.isfile()}
            yield layer["size"], files


def check(service: str, archive: Archive, limit: int) -> tuple[str, bytes]:
    """Returns a line about the image, and its program. Exits if the image violates a requirement."""
    sizes, files = [], {}
    for packed, layer in archive.layers():
        sizes.append((sum(len(body) for _, body in layer.values()), packed))
        files.update(layer)
    config = archive.config["config"]
    problems = []
    if config.get("User") != USER:
        problems.append(f"it runs as {config.get('User')}, not {USER}")
    if config.get("Entrypoint") != [f"/{PROGRAM}"]:
        problems.append(f"its entrypoint is {config.get('Entrypoint')}")
    labels = config.get("Labels") or {}
    problems += [f"label {name} is missing" for name in LABELS if not labels.get(f"org.opencontainers.image.{name}")]
    programs = sorted(name for name, (mode, _) in files.items() if mode & 0o111)
    if programs != [PROGRAM]:
        problems.append(f"it contains the executables {programs}")
    problems += [f"a layer has {packed:,} bytes (compressed), more than {limit:,}" for _, packed in sizes if packed > limit]
    if problems:
        raise SystemExit(f"ticketing/{service}: {'; '.join(problems)}")
    layers = ", ".join(f"{size / 1e6:.1f} MB ({packed / 1e6:.1f} MB compressed)" for size, packed in sizes)
    total = sum(size for size, _ in sizes)
    return f"{total / 1e6:6.1f} MB in {len(sizes)} layer(s): {layers}", files[PROGRAM][1]


def main() -> None:
    """Inspects the images named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, required=True, help="maximum size of a layer in bytes, compressed")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tag", required=True, help="tag of the images")
    parser.add_argument("--storage", required=True)
    parser.add_argument("--runroot", required=True)
    parser.add_argument("services", nargs="+")
    args = parser.parse_args()
    podman = ["podman", "--root", args.storage, "--runroot", args.runroot]
    for service in args.services:
        path = args.out / f"{service}.tar"
        path.unlink(missing_ok=True)
        save = [*podman, "save", "--quiet", "--format", "oci-archive", "--output", str(path), f"localhost/ticketing/{service}:{args.tag}"]
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
