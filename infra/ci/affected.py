#!/usr/bin/env python3
"""Determines which packages a change affects: those that contain changed files, and their dependents.

    affected.py BASE [HEAD]      prints lines for $GITHUB_OUTPUT

    packages   a JSON list of packages; all packages if a file changed that all are built with
    manifests  whether anything under infra/, or a file that is checked with it, has changed
"""

import json
import subprocess
import sys
from pathlib import PurePosixPath

# Packages whose programs the tests of the whole fleet start. No Cargo manifest lists this dependency.
FLEET = {
    "e2e": {"auth", "expiration", "fakestripe", "orders", "payments", "tickets", "web"},
}
# Files and folders that affect the build or the checks of every package.
ALL = ("Cargo.toml", "Cargo.lock", "clippy.toml", "rust-toolchain.toml", "rustfmt.toml", ".cargo/", ".config/", ".ci/", ".github/workflows/", "infra/ci/", "infra/dev/")
# Files outside a package that its tests read.
READ_BY = {
    "README.md": "e2e",
    "docs/kubernetes.md": "xtask",
    "infra/k8s/httproute.yaml": "testkit",
    "infra/k8s/mongodb/statefulset.yaml": "xtask",
    "infra/k8s/nats/statefulset.yaml": "xtask",
    "infra/k8s/nats/users.conf": "testkit",
    "infra/k8s/redis/deployment.yaml": "xtask",
    "infra/k8s/redis/start.sh": "testkit",
}
MANIFESTS = (
    "infra/", ".github/workflows/", "skaffold.yaml", ".dockerignore", "docs/runbook.md", "crates/lint-infra/",
    "crates/xtask/",
)


def under(path: str, places: tuple) -> bool:
    """Returns whether the path is one of these files or in one of these folders."""
    return any(path == place or (place.endswith("/") and path.startswith(place)) for place in places)


def affected(files: list, metadata: dict) -> set:
    """Returns the packages that a change of these files affects. `metadata` is from `cargo metadata --no-deps`."""
    root = PurePosixPath(metadata["workspace_root"])
    folders, needs = {}, {}
    for package in metadata["packages"]:
        name = package["name"]
        folders[str(PurePosixPath(package["manifest_path"]).parent.relative_to(root)) + "/"] = name
        # All kinds of dependencies: a change in a dev-dependency can break tests.
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
    """Compares the two commits and prints the result."""
    if not 2 <= len(sys.argv) <= 3:
        raise SystemExit(__doc__)
    base, head = sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else "HEAD"

    def output(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    # `...` compares with the merge base, so newer commits of BASE don't count. A rename lists both paths.
    listed = output("git", "diff", "--name-only", "--no-renames", "-z", f"{base}...{head}")
    files = [file for file in listed.split("\0") if file]
    metadata = json.loads(output("cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"))
    print(f"packages={json.dumps(sorted(affected(files, metadata)))}")
    print(f"manifests={json.dumps(any(under(file, MANIFESTS) for file in files))}")


if __name__ == "__main__":
    main()
