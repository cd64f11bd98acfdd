#!/usr/bin/env python3
"""Tests of what the workflows run: python3 infra/ci/test_ci.py"""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from affected import affected
from inputs import SHARED, belongs, name_of
from render import pin, render, unpinned

HERE = Path(__file__).parent


def workspace(**needs: list) -> dict:
    """What cargo tells of a workspace in which each package needs these."""
    packages = []
    for name, needed in needs.items():
        folder = "services" if name in ("orders", "web") else "crates"
        dependencies = [{"name": other, "path": f"/w/crates/{other}"} for other in needed] + [{"name": "serde"}]
        packages.append({"name": name, "manifest_path": f"/w/{folder}/{name}/Cargo.toml", "dependencies": dependencies})
    return {"workspace_root": "/w", "packages": packages}


class Inputs(unittest.TestCase):
    """Which files an image is built from."""

    def test_another_services_change_leaves_an_image_as_it_is(self) -> None:
        def listed(**changed: str) -> str:
            files = {"services/orders/src/lib.rs": "a", "services/web/src/lib.rs": "a", "crates/platform/src/app.rs": "a", "README.md": "a"}
            return "\n".join(f"100644 blob {changed.get(path.split('/')[1 if '/' in path else 0], blob)}\t{path}" for path, blob in files.items())

        before = name_of(listed(), "orders")
        self.assertEqual(before, name_of(listed(web="b"), "orders"))
        self.assertNotEqual(before, name_of(listed(orders="b"), "orders"))
        self.assertNotEqual(before, name_of(listed(platform="b"), "orders"))

    def test_every_file_that_the_dockerfile_copies_belongs(self) -> None:
        root = HERE.parents[1]
        copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (root / "infra/docker/Dockerfile").read_text(), re.MULTILINE)
        places = " ".join(copied).replace("${FOLDER}/${SERVICE}", "services/orders").split()
        tracked = subprocess.run(["git", "ls-files"], cwd=root, check=True, capture_output=True, text=True).stdout.split()
        for place in places:
            files = [file for file in tracked if file == place or file.startswith(place + "/")]
            self.assertTrue(files, place)
            self.assertEqual([file for file in files if not belongs(file, "orders")], [], place)
        self.assertTrue(set(SHARED) & set(places))


class Affected(unittest.TestCase):
    """Which packages a change concerns."""

    metadata = workspace(common=[], platform=["common"], orders=["platform"], web=["platform"], testkit=[], e2e=["testkit"], xtask=["testkit"])

    def of(self, *files: str) -> set:
        """Those of a change of these files."""
        return affected(list(files), self.metadata)

    def test_a_service_concerns_itself_and_the_fleet(self) -> None:
        self.assertEqual(self.of("services/orders/src/lib.rs"), {"orders", "e2e"})

    def test_what_all_share_concerns_all_that_use_it(self) -> None:
        self.assertEqual(self.of("crates/common/src/lib.rs"), {"common", "platform", "orders", "web", "e2e"})

    def test_manifests_of_the_workspace_concern_everything(self) -> None:
        for file in ("Cargo.lock", ".cargo/config.toml", "infra/dev/requirements.txt"):
            self.assertEqual(self.of(file), {"common", "platform", "orders", "web", "testkit", "e2e", "xtask"}, file)

    def test_files_that_tests_read_concern_them(self) -> None:
        self.assertEqual(self.of("README.md"), {"e2e"})
        self.assertEqual(self.of("infra/k8s/httproute.yaml"), {"testkit", "e2e", "xtask"})

    def test_prose_concerns_nothing(self) -> None:
        self.assertEqual(self.of("docs/passes.md", "services.md", "LICENSE"), set())

    def test_the_real_workspace_is_understood(self) -> None:
        command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
        told = subprocess.run(command, cwd=HERE, check=True, capture_output=True)
        metadata = json.loads(told.stdout)
        names = {package["name"] for package in metadata["packages"]}
        self.assertEqual(affected(["crates/common/src/lib.rs"], metadata) & {"auth", "web", "e2e"}, {"auth", "web", "e2e"})
        self.assertEqual(affected(["Cargo.toml"], metadata), names)


class Shop(BaseHTTPRequestHandler):
    """Answers as the marketplace does, unless it is told to be broken."""

    is_broken = False

    def do_GET(self) -> None:  # noqa: N802
        """What smoke.sh asks for."""
        status, kind, body = 200, "application/json", '{"keys": [], "openapi": "3.1.0"}'
        if self.path == "/":
            kind, body = "text/html; charset=utf-8", "<html>"
        elif self.path.startswith("/nothing"):
            status, kind, body = 404, "text/html; charset=utf-8", "<html>"
        elif self.path == "/api/orders":
            status, kind, body = 401, "application/problem+json", '{"status":401}'
        if self.is_broken and self.path == "/api/tickets":
            status = 503
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def images(**digests: str) -> dict:
    """What IMAGES says of these services; each digest is one character, repeated."""
    builds = [{"imageName": f"ticketing/{name}", "tag": f"registry.example:5000/us/ticketing/{name}:1.2@sha256:{digest * 64}"} for name, digest in digests.items()]
    return {"builds": builds}


class Render(unittest.TestCase):
    """How images get into the manifests."""

    def test_the_digest_alone_names_an_image(self) -> None:
        for tag in ("host:5000/us/ticketing/web:1.2@sha256:ab", "host:5000/us/ticketing/web@sha256:ab"):
            pinned = pin({"imageName": "ticketing/web", "tag": tag})
            self.assertEqual(pinned, {"name": "ticketing/web", "newName": "host:5000/us/ticketing/web", "digest": "sha256:ab"})

    def test_without_a_digest_the_tag_does(self) -> None:
        pinned = pin({"imageName": "ticketing/web", "tag": "host:5000/ticketing/web:1.2"})
        self.assertEqual(pinned, {"name": "ticketing/web", "newName": "host:5000/ticketing/web", "newTag": "1.2"})

    def test_one_of_them_must_be_there(self) -> None:
        with self.assertRaises(SystemExit):
            pin({"imageName": "ticketing/web", "tag": "host:5000/ticketing/web"})

    def test_what_nothing_pinned_is_found(self) -> None:
        manifests = "- image: ticketing/auth\n  image: redis:7.2\n  - image: ticketing/web:1.2\n    image: ticketing/web:1.1\n"
        entries = [{"name": "ticketing/web", "newName": "ticketing/web", "newTag": "1.2"}]
        self.assertEqual(unpinned(manifests, entries), ["ticketing/auth", "ticketing/web:1.1"])

    @unittest.skipUnless(shutil.which("kubectl"), "kubectl is not there")
    def test_the_real_overlays_are_rendered(self) -> None:
        services = ["auth", "expiration", "orders", "payments", "ticketctl", "tickets", "web"]
        entries = [pin(build) for build in images(**dict.fromkeys(services, "a"))["builds"]]
        for overlay in ("k8s-prod", "k8s-prod-managed-mongodb"):
            manifests = render(entries, str(HERE.parent / overlay))
            self.assertEqual(unpinned(manifests, entries), [], overlay)
            self.assertIn(f"image: registry.example:5000/us/ticketing/orders@sha256:{'a' * 64}\n", manifests, overlay)
            # What the rest is put into has to come before it.
            self.assertEqual(re.findall("^kind: (.*)", manifests, re.MULTILINE)[0], "Namespace", overlay)


# What deploy.sh deploys here. The stand-in for kubectl below reads these lines.
MANIFESTS = """
name: deployment.apps/auth
image: ticketing/auth
name: deployment.apps/orders
image: ticketing/orders
name: statefulset.apps/nats
image: nats:2
"""
# A cluster whose objects are in a file, each with all the images that it had: as many as it has revisions. One in
# the file `stuck` never gets out; with the file `unreachable`, an apply ends after one object.
KUBECTL = """#!/usr/bin/env python3
import json, os, re, sys
from pathlib import Path

state, arguments = Path(os.environ["STATE"]), sys.argv[1:]
with (state / "calls").open("a") as calls:
    print(*arguments, file=calls)
cluster = json.loads((state / "cluster").read_text())
if arguments[0] == "--namespace":
    arguments = arguments[2:]
said, failed = " ".join(arguments), False
if arguments[0] == "kustomize":
    kustomization = json.loads(Path(arguments[1], "kustomization.yaml").read_text())
    manifests = Path(arguments[1], kustomization["resources"][0], "manifests").read_text()
    for image in kustomization["images"]:
        manifests = manifests.replace(image["name"] + "\\n", image["newName"] + "@" + image["digest"] + "\\n")
    print(manifests)
elif said.startswith("apply --filename"):
    for name, image in re.findall("name: (.*)\\nimage: (.*)", Path(arguments[2]).read_text()):
        if cluster.setdefault(name, [""])[-1] != image:
            cluster[name].append(image)
        if (state / "unreachable").exists():
            failed = True
            break
elif said.startswith(("get deployments", "get statefulsets,deployments")):
    is_store = "component!=service" in said
    print(*(name for name in cluster if name.startswith("statefulset") == is_store), sep="\\n")
elif arguments[0] == "get":
    print(len(cluster[arguments[1]]))
elif said.startswith("rollout status"):
    sys.exit(arguments[2] in (state / "stuck").read_text().split())
elif said.startswith("rollout undo"):
    cluster[arguments[2]].append(cluster[arguments[2]][int(arguments[4]) - 1])
    (state / "stuck").write_text("")
elif said.startswith("apply view-last-applied"):
    print(arguments[2], "as it was")
elif said.startswith("apply set-last-applied"):
    with (state / "calls").open("a") as calls:
        print("restored", Path(arguments[3]).read_text().strip(), file=calls)
else:
    sys.exit(said)
(state / "cluster").write_text(json.dumps(cluster))
sys.exit(failed)
"""


class Deploy(unittest.TestCase):
    """What deploy.sh does with kubectl, which is played here."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.state = Path(scratch.name)
        (self.state / "kubectl").write_text(KUBECTL)
        (self.state / "kubectl").chmod(0o755)
        (self.state / "manifests").write_text(MANIFESTS)
        (self.state / "stuck").write_text("")
        shop = type("OneShop", (Shop,), {})
        server = ThreadingHTTPServer(("127.0.0.1", 0), shop)
        Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.shop, self.address = shop, f"http://127.0.0.1:{server.server_port}"
        # Three times auth, seven times orders; what runs now has digests of zeros.
        self.cluster = {name: [image] * times for name, image, times in (
            ("deployment.apps/auth", self.image("auth", "0"), 3),
            ("deployment.apps/orders", self.image("orders", "0"), 7),
            ("statefulset.apps/nats", "nats:2", 2),
        )}

    @staticmethod
    def image(name: str, digest: str) -> str:
        """As a manifest has it."""
        return f"registry.example:5000/us/ticketing/{name}@sha256:{digest * 64}"

    def deploy(self, **digests: str) -> tuple[int, str]:
        """Deploys these images onto the cluster; gives the exit code and what was undone."""
        (self.state / "cluster").write_text(json.dumps(self.cluster))
        (self.state / "images.json").write_text(json.dumps(images(**digests)))
        path = f"{self.state}:{os.environ['PATH']}"
        environment = os.environ | {"STATE": str(self.state), "OVERLAY": str(self.state), "PATH": path, "no_proxy": "*"}
        done = subprocess.run([HERE / "deploy.sh", self.state / "images.json", self.address], env=environment, capture_output=True, text=True, check=False)
        self.told = done.stdout + done.stderr
        self.calls = (self.state / "calls").read_text().splitlines()
        self.cluster = json.loads((self.state / "cluster").read_text())
        undone = [call.split()[4] + "@" + call.split()[-1] for call in self.calls if "rollout undo" in call]
        return done.returncode, " ".join(sorted(undone))

    def waited_for(self) -> list:
        """The objects whose roll-out was waited for."""
        return [call.split()[4] for call in self.calls if "rollout status" in call]

    def test_what_gets_out_stays(self) -> None:
        self.assertEqual(self.deploy(auth="1", orders="1"), (0, ""))
        self.assertEqual(self.cluster["deployment.apps/auth"][-1], self.image("auth", "1"))

    def test_what_did_not_change_is_not_touched(self) -> None:
        before = self.cluster.copy()
        self.assertEqual(self.deploy(auth="0", orders="0"), (0, ""))
        self.assertEqual(self.cluster, before)

    def test_an_unchanged_deployment_undoes_nothing(self) -> None:
        self.shop.is_broken = True
        before = self.cluster.copy()
        self.assertEqual(self.deploy(auth="0", orders="0"), (1, ""))
        self.assertEqual(self.cluster, before)

    def test_what_is_not_pinned_is_refused_before_anything_is_applied(self) -> None:
        before = self.cluster.copy()
        self.assertEqual(self.deploy(auth="1"), (1, ""))
        self.assertIn("does not name ticketing/orders", self.told)
        self.assertEqual(self.cluster, before)
        self.assertEqual([call for call in self.calls if "kustomize" not in call], [])

    def test_what_does_not_get_out_is_taken_back(self) -> None:
        (self.state / "stuck").write_text("deployment.apps/orders")
        undone = "deployment.apps/auth@3 deployment.apps/orders@7"
        self.assertEqual(self.deploy(auth="1", orders="1"), (1, undone))
        self.assertEqual(self.cluster["deployment.apps/orders"][-1], self.image("orders", "0"))
        restored = sorted(call for call in self.calls if call.startswith("restored"))
        self.assertEqual(restored, ["restored deployment.apps/auth as it was", "restored deployment.apps/orders as it was"])

    def test_only_what_changed_is_taken_back(self) -> None:
        (self.state / "stuck").write_text("deployment.apps/orders")
        self.assertEqual(self.deploy(auth="0", orders="1"), (1, "deployment.apps/orders@7"))

    def test_a_shop_that_does_not_answer_is_taken_back(self) -> None:
        self.shop.is_broken = True
        self.assertEqual(self.deploy(auth="1", orders="0"), (1, "deployment.apps/auth@3"))

    def test_half_a_deployment_is_taken_back(self) -> None:
        (self.state / "unreachable").touch()
        self.assertEqual(self.deploy(auth="1", orders="1"), (1, "deployment.apps/auth@3"))

    def test_the_first_has_nothing_to_go_back_to(self) -> None:
        self.shop.is_broken = True
        self.cluster = {}
        self.assertEqual(self.deploy(auth="1", orders="1"), (1, ""))

    def test_a_store_is_waited_for_when_it_changes(self) -> None:
        (self.state / "manifests").write_text(MANIFESTS.replace("nats:2", "nats:3"))
        (self.state / "stuck").write_text("statefulset.apps/nats")
        self.assertEqual(self.deploy(auth="1", orders="0"), (1, "deployment.apps/auth@3"))
        self.assertIn("statefulset.apps/nats", self.waited_for())
        # The newer version may have written already.
        self.assertEqual(self.cluster["statefulset.apps/nats"][-1], "nats:3")

    def test_a_store_that_did_not_change_is_not_waited_for(self) -> None:
        (self.state / "stuck").write_text("statefulset.apps/nats")
        self.assertEqual(self.deploy(auth="1", orders="0"), (0, ""))
        self.assertEqual(self.waited_for(), ["deployment.apps/auth", "deployment.apps/orders"])


if __name__ == "__main__":
    unittest.main()
