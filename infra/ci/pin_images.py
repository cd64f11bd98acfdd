#!/usr/bin/env python3
"""Adds the digests of the images of others (MongoDB, NATS, Redis, …) to IMAGES, for render.py.

    pin_images.py IMAGES OVERLAY

An image that already runs in the cluster under this tag keeps its digest, so that no deployment restarts a server only
because its tag was moved. The others are looked up at their registries, with docker buildx. REFRESH=yes looks up all of
them: then the servers get what their tags stand for today, security fixes for example.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from render import render

IMAGE = re.compile(r"""^[ -]*image: ["']?([^\s"'@]+:[^\s"'@]+)["']?$""", re.MULTILINE)
NAMESPACE = "ticketing"


def tagged(manifests: str) -> list:
    """Returns the images with a tag and no digest."""
    return sorted(set(IMAGE.findall(manifests)))


def running() -> dict:
    """Returns the digests in the cluster, by image and tag. Empty before the first deployment."""
    template = "{range .items[*]}{..image}{' '}{end}"
    command = ["kubectl", "--namespace", NAMESPACE, "get", "statefulsets,deployments,cronjobs", "--output", f"jsonpath={template}"]
    listed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return dict(image.split("@", 1) for image in listed if re.search(r":[^/]*@sha256:", image))


def look_up(image: str) -> str:
    """Returns the digest of an image at its registry, of the list of its architectures if there is one."""
    command = ["docker", "buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}", image]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    digest = json.loads(done.stdout)["digest"] if done.returncode == 0 else ""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        raise SystemExit(f"pin_images.py: the registry does not say what {image} is")
    return digest


def main() -> None:
    """Adds an entry for each image, and prints it."""
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    file, overlay = Path(sys.argv[1]), sys.argv[2]
    known = {} if os.environ.get("REFRESH") == "yes" else running()
    images = json.loads(file.read_text())
    for image in tagged(render([], overlay)):
        digest = known.get(image) or look_up(image)
        print(f"{image}@{digest}", "as it runs" if image in known else "")
        images["builds"].append({"imageName": image.rpartition(":")[0], "tag": f"{image}@{digest}"})
    file.write_text(json.dumps(images))


if __name__ == "__main__":
    main()
