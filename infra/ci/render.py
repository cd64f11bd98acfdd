#!/usr/bin/env python3
"""Prints the manifests of an overlay, with the images of this repository pinned.

    render.py IMAGES OVERLAY

IMAGES is a JSON file: {"builds": [{"imageName": "ticketing/auth", "tag": "registry/ticketing/auth:1.2@sha256:…"}, …]}.
If the manifests use an image ticketing/… that IMAGES does not name, or believe the proxies of the example in
infra/k8s-prod/production.env, the script fails and prints no manifests.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# The networks reserved for documentation. No service starts with one.
EXAMPLE = re.compile(r"""^ *TRUSTED_PROXIES: .*\b(192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|2001:0?db8:)""", re.MULTILINE)
OURS = re.compile(r"""^[ -]*image: ["']?(ticketing/[^\s"']+)""", re.MULTILINE)


def pin(build: dict) -> dict:
    """Returns kustomize's `images` entry. The tag of our own images is dropped if there is a digest, so that the same
    image under another commit's tag is no change and its pods stay. Others keep it, for pin_images.py and for people."""
    name, _, digest = build["tag"].partition("@")
    folder, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    entry = {"name": build["imageName"], "newName": folder + slash + last}
    if digest:
        is_ours = build["imageName"].startswith("ticketing/")
        return entry | ({"digest": digest} if is_ours or not tag else {"newTag": tag, "digest": digest})
    if tag:
        return entry | {"newTag": tag}
    raise SystemExit(f"render.py: {build['tag']} has neither a tag nor a digest")


def unpinned(manifests: str, entries: list) -> list:
    """Returns this repository's images in the manifests that none of the entries pinned."""
    pinned = {entry["newName"] + ("@" + entry["digest"] if "digest" in entry else ":" + entry["newTag"]) for entry in entries}
    return sorted(set(OURS.findall(manifests)) - pinned)


def render(entries: list, overlay: str) -> str:
    """Returns the overlay's manifests with these images. kustomize replaces images by their names alone. While an upgrade of
    a server is tried, the overlay has two versions of its image. So the digests of these images are added by name and tag."""
    others = [entry for entry in entries if "newTag" in entry and "digest" in entry]
    with tempfile.TemporaryDirectory() as folder:
        # kustomize accepts no absolute paths, and resolves symbolic links before it follows a relative path.
        resource = os.path.relpath(os.path.realpath(overlay), os.path.realpath(folder))
        kustomization = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "resources": [resource],
            "images": [entry for entry in entries if entry not in others],
        }
        Path(folder, "kustomization.yaml").write_text(json.dumps(kustomization))
        done = subprocess.run(["kubectl", "kustomize", folder], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"render.py: kubectl cannot render {overlay}")
    manifests = done.stdout
    for entry in others:
        image = f"{entry['newName']}:{entry['newTag']}"
        line = re.compile(rf"""^([ -]*image: ["']?{re.escape(image)})(?=["']?$)""", re.MULTILINE)
        manifests = line.sub(rf"\1@{entry['digest']}", manifests)
    return manifests


def main() -> None:
    """Renders the overlay, and fails if an image is not pinned."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    images, overlay = sys.argv[1:]
    entries = [pin(build) for build in json.loads(Path(images).read_text())["builds"]]
    manifests = render(entries, overlay)
    if missing := unpinned(manifests, entries):
        raise SystemExit(f"render.py: {images} does not name {', '.join(missing)}, which {overlay} deploys")
    if EXAMPLE.search(manifests):
        raise SystemExit(f"render.py: TRUSTED_PROXIES of {overlay} is an example: set it to the pod network of the cluster")
    print(manifests, end="")


if __name__ == "__main__":
    main()
