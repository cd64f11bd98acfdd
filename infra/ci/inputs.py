#!/usr/bin/env python3
"""Prints a name for what an image is built from: the same for two commits that would build the same program.

    inputs.py SERVICE [COMMIT]

The commit itself is written into an image, so images of two commits always differ. A deployment takes the image
that an earlier commit built of the same files, and a service that did not change keeps its pods.
"""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What infra/docker/Dockerfile copies for every image.
SHARED = ("Cargo.toml", "Cargo.lock", "infra/docker/Dockerfile", ".dockerignore", "crates/common", "crates/platform", "crates/fakestripe")


def belongs(path: str, service: str) -> bool:
    """Whether the image of the service is built from this file."""
    if any(path == place or path.startswith(place + "/") for place in SHARED):
        return True
    parts = path.split("/")
    if len(parts) == 3 and parts[0] in ("crates", "services") and parts[2] == "Cargo.toml":
        return True
    if parts[:2] == ["services", "web"] and parts[-1] in ("package.json", "package-lock.json"):
        return True
    return parts[0] in ("crates", "services") and parts[1:2] == [service]


def name_of(listed: str, service: str) -> str:
    """The name, of lines of `git ls-tree -r`."""
    lines = [line for line in listed.splitlines() if belongs(line.split("\t", 1)[1], service)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def main() -> None:
    """Lists the commit's files."""
    if not 2 <= len(sys.argv) <= 3:
        raise SystemExit(__doc__)
    commit = sys.argv[2] if len(sys.argv) == 3 else "HEAD"
    listed = subprocess.run(["git", "ls-tree", "-r", commit], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    print(name_of(listed, sys.argv[1]))


if __name__ == "__main__":
    main()
