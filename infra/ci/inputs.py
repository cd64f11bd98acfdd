#!/usr/bin/env python3
"""Prints a hash of an image's inputs. It is the same for two commits that would build the same program.

    inputs.py SERVICE [COMMIT]

Each image contains its commit's id, so images of two commits always differ. A deployment therefore uses the image that
an earlier commit built from the same files, so that an unchanged service keeps its pods.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Files and folders that infra/docker/Dockerfile copies for every image.
SHARED = ("Cargo.toml", "Cargo.lock", "infra/docker/Dockerfile", ".dockerignore", "crates/common", "crates/platform", "crates/fakestripe")


def belongs(path: str, service: str) -> bool:
    """Returns whether this file is an input of the service's image."""
    if any(path == place or path.startswith(place + "/") for place in SHARED):
        return True
    parts = path.split("/")
    if len(parts) == 3 and parts[0] in ("crates", "services") and parts[2] == "Cargo.toml":
        return True
    if parts[:2] == ["services", "web"] and parts[-1] in ("package.json", "package-lock.json"):
        return True
    return parts[0] in ("crates", "services") and parts[1:2] == [service]


def inputs_hash(listed: str, service: str) -> str:
    """Returns the hash of the inputs. `listed` is the output of `git ls-tree -r`."""
    lines = [line for line in listed.splitlines() if belongs(line.split("\t", 1)[1], service)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def main() -> None:
    """Prints the hash for the service and commit on the command line."""
    if not 2 <= len(sys.argv) <= 3:
        raise SystemExit(__doc__)
    commit = sys.argv[2] if len(sys.argv) == 3 else "HEAD"
    listed = subprocess.run(["git", "ls-tree", "-r", commit], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    print(inputs_hash(listed, sys.argv[1]))


if __name__ == "__main__":
    main()
