#!/usr/bin/env python3
"""Says which packages a change concerns: those that it touches and whatever depends on them.

    affected.py BASE [HEAD]      prints lines for $GITHUB_OUTPUT

    packages   a JSON list of packages; all of them when the change is to what all are built with
    manifests  whether anything under infra/, or a file that is checked with it, has changed
"""

import json
import subprocess
import sys
from pathlib import PurePosixPath

# The tests of the whole fleet start these as programs, which no manifest tells.
FLEET = {
    "e2e": {"auth", "expiration", "fakestripe", "orders", "payments", "tickets", "web"},
}
# What every package is built or checked with.
ALL = ("Cargo.toml", "Cargo.lock", "clippy.toml", "rustfmt.toml", ".cargo/", ".config/", ".ci/", ".github/workflows/", "infra/ci/", "infra/dev/")
# Files outside a package that its tests read.
READ_BY = {"README.md": "e2e", "infra/k8s/httproute.yaml": "testkit"}
MANIFESTS = (
    "infra/", ".github/workflows/", "skaffold.yaml", ".dockerignore", "docs/runbook.md", "crates/lint-infra/",
    "crates/xtask/",
)


def under(path: str, places: tuple) -> bool:
    """Whether the path is one of these files or lies in one of these folders."""
    return any(path == place or (place.endswith("/") and path.startswith(place)) for place in places)


def affected(files: list, metadata: dict) -> set:
    """The packages that a change of these files concerns, by `cargo metadata --no-deps`."""
    root = PurePosixPath(metadata["workspace_root"])
    folders, needs = {}, {}
    for package in metadata["packages"]:
        name = package["name"]
        folders[str(PurePosixPath(package["manifest_path"]).parent.relative_to(root)) + "/"] = name
        # Of every kind: tests of a package may break by what only they use.
        needs[name] = {dependency["name"] for dependency in package["dependencies"] if dependency.get("path")}
        needs[name] |= FLEET.get(name, set())
    if any(under(file, ALL) for file in files):
        return set(needs)
    found = {READ_BY[file] for file in files if file in READ_BY}
    found |= {name for folder, name in folders.items() for file in files if file.startswith(folder)}
    while True:
        more = {name for name, needed in needs.items() if needed & found} - found
        if not more:
            return found
        found |= more


def main() -> None:
    """Compares the two commits."""
    if not 2 <= len(sys.argv) <= 3:
        raise SystemExit(__doc__)
    base, head = sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "HEAD"

    def output(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    # Both names of what was renamed; from where the branch left, not from what came to the base since.
    listed = output("git", "diff", "--name-only", "--no-renames", "-z", f"{base}...{head}")
    files = [file for file in listed.split("\0") if file]
    metadata = json.loads(output("cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"))
    print(f"packages={json.dumps(sorted(affected(files, metadata)))}")
    print(f"manifests={json.dumps(any(under(file, MANIFESTS) for file in files))}")


if __name__ == "__main__":
    main()
