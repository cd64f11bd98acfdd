#!/usr/bin/env python3
"""Tests of the scripts that the workflows run: python3 infra/ci/test_ci.py"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from affected import READ_BY, affected
from inputs import SHARED, belongs, inputs_hash
from pin_images import tagged
from render import EXAMPLE, pin, render, unpinned

HERE = Path(__file__).parent


def workspace(**needs: list) -> dict:
    """Returns the `cargo metadata` of a workspace with these packages and their dependencies."""
    packages = []
    for name, needed in needs.items():
        folder = "services" if name in ("orders", "web") else "crates"
        dependencies = [{"name": other, "path": f"/w/crates/{other}"} for other in needed] + [{"name": "serde"}]
        packages.append({"name": name, "manifest_path": f"/w/{folder}/{name}/Cargo.toml", "dependencies": dependencies})
    return {"workspace_root": "/w", "packages": packages}


class Inputs(unittest.TestCase):
    """inputs.py: which files are inputs of an image."""

    def test_hash_ignores_changes_of_other_services(self) -> None:
        def listed(**changed: str) -> str:
            files = {"services/orders/src/lib.rs": "a", "services/web/src/lib.rs": "a", "crates/platform/src/app.rs": "a", "README.md": "a"}
            return "\n".join(f"100644 blob {changed.get(path.split('/')[1 if '/' in path else 0], blob)}\t{path}" for path, blob in files.items())

        before = inputs_hash(listed(), "orders")
        self.assertEqual(before, inputs_hash(listed(web="b"), "orders"))
        self.assertNotEqual(before, inputs_hash(listed(orders="b"), "orders"))
        self.assertNotEqual(before, inputs_hash(listed(platform="b"), "orders"))

    def test_every_file_that_the_dockerfile_copies_is_an_input(self) -> None:
        root = HERE.parents[1]
        copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (root / "infra/docker/Dockerfile").read_text(), re.MULTILINE)
        places = " ".join(copied).replace("${FOLDER}/${SERVICE}", "services/orders").split()
        tracked = subprocess.run(["git", "ls-files"], cwd=root, check=True, capture_output=True, text=True).stdout.split()
        for place in places:
            files = [file for file in tracked if file == place or file.startswith(place + "/")]
            self.assertTrue(files, place)
            self.assertEqual([file for file in files if not belongs(file, "orders")], [], place)
        self.assertTrue(set(SHARED) & set(places))

    def test_development_images_have_the_bases_of_shipped_ones(self) -> None:
        bases = [
            re.findall(r"^ARG (.*_IMAGE=.*)$", (HERE.parent / "docker" / file).read_text(), re.MULTILINE)
            for file in ("Dockerfile", "Dockerfile.development")
        ]
        self.assertEqual(len(bases[0]), 2)
        self.assertEqual(bases[0], bases[1])

    def test_skaffold_lists_what_each_development_image_is_built_from(self) -> None:
        root = HERE.parents[1]
        skaffold = (root / "skaffold.yaml").read_text()
        copied = re.findall(r"^COPY (?!--from)(.*) \S+$", (root / "infra/docker/Dockerfile.development").read_text(), re.MULTILINE)
        # The packages of npm are embedded in web, and are part of its folder.
        places = [place for place in " ".join(copied).split() if "$" not in place and not place.startswith("services/web/")]
        self.assertIn("crates/common", places)
        for artifact in skaffold.split("custom:")[1:]:
            listed = re.findall(r"^ {16}- (\S+)$", artifact, re.MULTILINE)
            program, folder = (re.search(r"buildah\.sh (\S+)(.*)", artifact).expand(r"\1\2") + " services").split()[:2]
            expected = {*places, f"{folder}/{program}", "infra/docker/Dockerfile.development"}
            self.assertEqual(set(listed), expected, program)


class Affected(unittest.TestCase):
    """affected.py: which packages a change affects."""

    metadata = workspace(common=[], platform=["common"], orders=["platform"], web=["platform"], testkit=[], e2e=["testkit"], xtask=["testkit"])

    def of(self, *files: str) -> set:
        """Returns the packages that a change of these files affects."""
        return affected(list(files), self.metadata)

    def test_a_service_affects_itself_and_the_fleet_tests(self) -> None:
        self.assertEqual(self.of("services/orders/src/lib.rs"), {"orders", "e2e"})

    def test_a_shared_crate_affects_its_dependents(self) -> None:
        self.assertEqual(self.of("crates/common/src/lib.rs"), {"common", "platform", "orders", "web", "e2e"})

    def test_workspace_files_affect_every_package(self) -> None:
        for file in ("Cargo.lock", ".cargo/config.toml", "infra/dev/requirements.txt"):
            self.assertEqual(self.of(file), {"common", "platform", "orders", "web", "testkit", "e2e", "xtask"}, file)

    def test_files_read_by_tests_affect_these_tests(self) -> None:
        self.assertEqual(self.of("README.md"), {"e2e"})
        for file in ("httproute.yaml", "nats/users.conf", "redis/start.sh"):
            self.assertEqual(self.of(f"infra/k8s/{file}"), {"testkit", "e2e", "xtask"}, file)
        for file in READ_BY:
            self.assertTrue((HERE.parents[1] / file).is_file(), file)

    def test_documents_affect_nothing(self) -> None:
        self.assertEqual(self.of("docs/passes.md", "services.md", "LICENSE"), set())

    def test_the_real_workspace(self) -> None:
        command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--locked"]
        done = subprocess.run(command, cwd=HERE, check=True, capture_output=True)
        metadata = json.loads(done.stdout)
        names = {package["name"] for package in metadata["packages"]}
        self.assertEqual(affected(["crates/common/src/lib.rs"], metadata) & {"auth", "web", "e2e"}, {"auth", "web", "e2e"})
        self.assertEqual(affected(["Cargo.toml"], metadata), names)


class Shop(BaseHTTPRequestHandler):
    """A fake marketplace. Fails the smoke test if `is_broken` is set."""

    is_broken = False

    def do_GET(self) -> None:  # noqa: N802
        """Serves the paths that smoke.sh requests."""
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
        """Suppresses the log."""


def images(**digests: str) -> dict:
    """Returns the content of IMAGES for these services; each digest is one repeated character."""
    builds = [{"imageName": f"ticketing/{name}", "tag": f"registry.example:5000/us/ticketing/{name}:1.2@sha256:{digest * 64}"} for name, digest in digests.items()]
    return {"builds": builds}


class Render(unittest.TestCase):
    """render.py: pinning images in the manifests."""

    def test_a_digest_replaces_the_tag(self) -> None:
        for tag in ("host:5000/us/ticketing/web:1.2@sha256:ab", "host:5000/us/ticketing/web@sha256:ab"):
            pinned = pin({"imageName": "ticketing/web", "tag": tag})
            self.assertEqual(pinned, {"name": "ticketing/web", "newName": "host:5000/us/ticketing/web", "digest": "sha256:ab"})

    def test_the_tag_is_used_without_a_digest(self) -> None:
        pinned = pin({"imageName": "ticketing/web", "tag": "host:5000/ticketing/web:1.2"})
        self.assertEqual(pinned, {"name": "ticketing/web", "newName": "host:5000/ticketing/web", "newTag": "1.2"})

    def test_an_image_needs_a_tag_or_a_digest(self) -> None:
        with self.assertRaises(SystemExit):
            pin({"imageName": "ticketing/web", "tag": "host:5000/ticketing/web"})

    def test_images_of_others_keep_their_tag(self) -> None:
        pinned = pin({"imageName": "mongo", "tag": "mongo:7.0@sha256:ab"})
        self.assertEqual(pinned, {"name": "mongo", "newName": "mongo", "newTag": "7.0", "digest": "sha256:ab"})

    @unittest.skipUnless(shutil.which("kubectl"), "kubectl is not installed")
    def test_two_versions_of_a_server_stay_two(self) -> None:
        containers = [{"name": name, "image": image} for name, image in (("a", "mongo:7.0"), ("b", "mongo:8.0"), ("c", "mongo:7.0.1"))]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mongodb"}, "spec": {"containers": containers}}
        entries = [pin({"imageName": "mongo", "tag": f"mongo:{version}@sha256:{digest * 64}"}) for version, digest in (("7.0", "a"), ("8.0", "b"))]
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "pod.yaml").write_text(json.dumps(pod))
            Path(folder, "kustomization.yaml").write_text("resources: [pod.yaml]\n")
            manifests = render(entries, folder)
        expected = [f"mongo:7.0@sha256:{'a' * 64}", f"mongo:8.0@sha256:{'b' * 64}", "mongo:7.0.1"]
        self.assertEqual(re.findall("image: (.*)", manifests), expected)

    def test_unpinned_images_are_found(self) -> None:
        manifests = "- image: ticketing/auth\n  image: redis:7.2\n  - image: ticketing/web:1.2\n    image: ticketing/web:1.1\n"
        entries = [{"name": "ticketing/web", "newName": "ticketing/web", "newTag": "1.2"}]
        self.assertEqual(unpinned(manifests, entries), ["ticketing/auth", "ticketing/web:1.1"])

    def test_example_proxies_are_found(self) -> None:
        for proxies in ("192.0.2.0/24", "10.1.0.0/16,203.0.113.7", "2001:db8::/32"):
            self.assertTrue(EXAMPLE.search(f"data:\n  TRUSTED_PROXIES: {proxies}\n"), proxies)
        self.assertFalse(EXAMPLE.search("  TRUSTED_PROXIES: 10.244.0.0/16\n  OTHER: 192.0.2.1\n"))
        example = (HERE.parent / "k8s-prod/production.env").read_text()
        self.assertTrue(EXAMPLE.search(example.replace("=", ": ")), "the manifests are not for one cluster")

    @unittest.skipUnless(shutil.which("kubectl"), "kubectl is not installed")
    def test_the_real_overlays_render(self) -> None:
        services = ["auth", "expiration", "orders", "payments", "ticketctl", "tickets", "web"]
        entries = [pin(build) for build in images(**dict.fromkeys(services, "a"))["builds"]]
        for overlay in ("k8s-prod", "k8s-prod-small", "k8s-prod-managed-mongodb"):
            manifests = render(entries, str(HERE.parent / overlay))
            self.assertEqual(unpinned(manifests, entries), [], overlay)
            self.assertIn(f"image: registry.example:5000/us/ticketing/orders@sha256:{'a' * 64}\n", manifests, overlay)
            route = next(part for part in manifests.split("\n---\n") if "kind: HTTPRoute\n" in part and "  name: ticketing\n" in part)
            self.assertEqual(route.count("Strict-Transport-Security"), route.count("- backendRefs:"), "each route has HSTS")
            self.assertNotIn("OTEL_EXPORTER", manifests, "traces need a collector")
            # The Gateway alone, and web by a NetworkPolicy, reach the services that have routes.
            self.assertIn("fromEntities:\n    - ingress\n", manifests, overlay)
            # The namespace has to be created before the objects in it.
            self.assertEqual(re.findall("^kind: (.*)", manifests, re.MULTILINE)[0], "Namespace", overlay)
            pulling = manifests.count("imagePullSecrets:\n- name: registry\n")
            self.assertEqual(pulling, len(re.findall("^kind: ServiceAccount$", manifests, re.MULTILINE)), overlay)


class PinImages(unittest.TestCase):
    """pin_images.py, with a fake kubectl and a fake docker."""

    def pin(self, **environment: str) -> list:
        """Returns the entries for an overlay with three images of others, of which MongoDB's already runs."""
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder)
            manifests = "- image: mongo:7.0\n  image: \"nats:2.15.1\"\n- image: ticketing/web\nimage: host:5000/redis:7.2\n  image: a@sha256:1\n"
            (state / "manifests").write_text(manifests)
            (state / "kubectl").write_text(f"""#!/bin/sh
                case $1 in
                  kustomize) cat {folder}/manifests ;;
                  *) echo 'mongo:7.0@sha256:{"7" * 64} host/ticketing@sha256:{"8" * 64} nats:2.14.0@sha256:{"9" * 64}' ;;
                esac""")
            (state / "docker").write_text(f"""#!/bin/sh
                echo "$6" >> {folder}/asked
                echo '{{"digest": "sha256:{"a" * 64}"}}'""")
            for name in ("kubectl", "docker"):
                (state / name).chmod(0o755)
            (state / "images.json").write_text('{"builds": []}')
            path = f"{folder}:{os.environ['PATH']}"
            command = [sys.executable, HERE / "pin_images.py", state / "images.json", folder]
            subprocess.run(command, env=os.environ | {"PATH": path} | environment, check=True, capture_output=True)
            self.asked = (state / "asked").read_text().split()
            return [build["tag"] for build in json.loads((state / "images.json").read_text())["builds"]]

    def test_what_runs_keeps_its_digest(self) -> None:
        pinned = [f"host:5000/redis:7.2@sha256:{'a' * 64}", f"mongo:7.0@sha256:{'7' * 64}", f"nats:2.15.1@sha256:{'a' * 64}"]
        self.assertEqual(self.pin(), pinned)
        self.assertEqual(self.asked, ["host:5000/redis:7.2", "nats:2.15.1"])
        self.assertEqual(self.pin(REFRESH="yes")[1], f"mongo:7.0@sha256:{'a' * 64}")

    @unittest.skipUnless(shutil.which("kubectl"), "kubectl is not installed")
    def test_every_image_of_the_real_overlay_gets_a_digest(self) -> None:
        overlay = str(HERE.parent / "k8s-prod")
        others = tagged(render([], overlay))
        self.assertGreaterEqual({image.split(":")[0] for image in others}, {"mongo", "nats", "redis"})
        services = ["auth", "expiration", "orders", "payments", "ticketctl", "tickets", "web"]
        builds = images(**dict.fromkeys(services, "a"))["builds"]
        builds += [{"imageName": image.rpartition(":")[0], "tag": f"{image}@sha256:{'b' * 64}"} for image in others]
        manifests = render([pin(build) for build in builds], overlay)
        self.assertEqual([image for image in re.findall("image: (.*)", manifests) if "@sha256:" not in image], [])


# The manifests that deploy.sh deploys in the tests. The fake kubectl below parses these lines.
MANIFESTS = """
name: deployment.apps/auth
image: ticketing/auth
name: deployment.apps/orders
image: ticketing/orders
name: statefulset.apps/nats
image: nats:2
"""
# A fake kubectl. The file `cluster` contains its objects, each with a list of images or configurations, one per revision.
# Rollouts of objects in the file `stuck` fail. If the file `unreachable` exists, an apply fails after one object.
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
    for name, image in re.findall("name: (.*)\\n(?:image|config): (.*)", Path(arguments[-1]).read_text()):
        if cluster.setdefault(name, [""])[-1] != image:
            cluster[name].append(image)
        if (state / "unreachable").exists():
            failed = True
            break
elif said.startswith(("get deployments --selector app.kubernetes.io/component=service", "get deployments,statefulsets")):
    kinds = ("deployment", "statefulset") if "statefulsets" in said else "deployment"
    print(*(name for name in cluster if name.startswith(kinds)), sep="\\n")
elif said.startswith("get cronjobs"):
    print(*(name for name in cluster if not name.startswith(("deployment", "statefulset"))), sep="\\n")
elif said.startswith("get certificates"):
    # One line for each time that it is asked for; the last one stays.
    if not (state / "certificates").exists():
        sys.exit(1)
    found = (state / "certificates").read_text().splitlines()
    print(found[0])
    (state / "certificates").write_text("\\n".join(found[1:] or found))
elif said.startswith("get gateway"):
    print("192.0.2.7")
elif said.startswith("get pods"):
    print((state / "pods").read_text() if (state / "pods").exists() else "")
elif said.startswith("delete pod"):
    (state / "stuck").write_text("")
elif said.startswith("get controllerrevision"):
    print(arguments[2].rpartition("-")[2])
elif arguments[0] == "get" and "containers[*].image" in said:
    # What follows the image stands for the rest of the specification.
    print(cluster[arguments[1]][-1].split()[0])
elif arguments[0] == "get" and "updateRevision" in said:
    print("nats-" + str(len(cluster[arguments[1]])))
elif arguments[0] == "get":
    print(len(cluster[arguments[1]]))
elif said.startswith("rollout status"):
    sys.exit(arguments[2] in (state / "stuck").read_text().split())
elif said.startswith("rollout undo"):
    cluster[arguments[2]].append(cluster[arguments[2]][int(arguments[4]) - 1])
    # A StatefulSet waits for its pods to get ready, whichever revision they have.
    if not arguments[2].startswith("statefulset"):
        (state / "stuck").write_text("")
elif said.startswith("apply view-last-applied"):
    is_workload = arguments[2].startswith(("deployment", "statefulset"))
    print(arguments[2] + " as it was" if is_workload else "name: " + arguments[2] + "\\nconfig: " + cluster[arguments[2]][-1])
elif said.startswith("apply set-last-applied"):
    with (state / "calls").open("a") as calls:
        print("restored", Path(arguments[3]).read_text().strip(), file=calls)
else:
    sys.exit(said)
(state / "cluster").write_text(json.dumps(cluster))
sys.exit(failed)
"""


class Deploy(unittest.TestCase):
    """deploy.sh, with a fake kubectl."""

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
        self.certificate_wait, self.password = "60", ""
        self.shop, self.address = shop, f"http://127.0.0.1:{server.server_port}"
        # Three revisions of auth and seven of orders; the running images have digests of zeros.
        self.cluster = {name: [image] * times for name, image, times in (
            ("deployment.apps/auth", self.image("auth", "0"), 3),
            ("deployment.apps/orders", self.image("orders", "0"), 7),
            ("statefulset.apps/nats", "nats:2", 2),
        )}

    @staticmethod
    def image(name: str, digest: str) -> str:
        """Returns the image reference as in a manifest."""
        return f"registry.example:5000/us/ticketing/{name}@sha256:{digest * 64}"

    def deploy(self, **digests: str) -> tuple[int, str]:
        """Deploys these images. Returns the exit code and the rollbacks."""
        (self.state / "cluster").write_text(json.dumps(self.cluster))
        (self.state / "images.json").write_text(json.dumps(images(**digests)))
        path = f"{self.state}:{os.environ['PATH']}"
        environment = os.environ | {"STATE": str(self.state), "OVERLAY": str(self.state), "PATH": path, "no_proxy": "*", "POLL_INTERVAL": "0", "CERTIFICATE_WAIT": self.certificate_wait, "SMOKE_TEST_PASSWORD": self.password}
        done = subprocess.run([HERE / "deploy.sh", self.state / "images.json", self.address], env=environment, capture_output=True, text=True, check=False)
        self.output = done.stdout + done.stderr
        self.calls = (self.state / "calls").read_text().splitlines()
        self.cluster = json.loads((self.state / "cluster").read_text())
        undone = [call.split()[4] + "@" + call.split()[-1] for call in self.calls if "rollout undo" in call]
        return done.returncode, " ".join(sorted(undone))

    def waited_for(self) -> list:
        """Returns the objects whose rollout was awaited."""
        return [call.split()[4] for call in self.calls if "rollout status" in call]

    def test_successful_deployment_stays(self) -> None:
        self.assertEqual(self.deploy(auth="1", orders="1"), (0, ""))
        self.assertEqual(self.cluster["deployment.apps/auth"][-1], self.image("auth", "1"))
        self.assertIn("::warning::No ticket was bought", self.output)

    def test_unchanged_objects_are_not_touched(self) -> None:
        before = self.cluster.copy()
        self.assertEqual(self.deploy(auth="0", orders="0"), (0, ""))
        self.assertEqual(self.cluster, before)

    def test_failed_smoke_test_without_changes_rolls_nothing_back(self) -> None:
        self.shop.is_broken = True
        before = self.cluster.copy()
        self.assertEqual(self.deploy(auth="0", orders="0"), (1, ""))
        self.assertEqual(self.cluster, before)

    def test_unpinned_image_fails_before_anything_is_applied(self) -> None:
        before = self.cluster.copy()
        self.assertEqual(self.deploy(auth="1"), (1, ""))
        self.assertIn("does not name ticketing/orders", self.output)
        self.assertEqual(self.cluster, before)
        self.assertEqual([call for call in self.calls if "kustomize" not in call], [])

    def test_failed_rollout_is_rolled_back(self) -> None:
        (self.state / "stuck").write_text("deployment.apps/orders")
        undone = "deployment.apps/auth@3 deployment.apps/orders@7"
        self.assertEqual(self.deploy(auth="1", orders="1"), (1, undone))
        self.assertEqual(self.cluster["deployment.apps/orders"][-1], self.image("orders", "0"))
        restored = sorted(call for call in self.calls if call.startswith("restored"))
        self.assertEqual(restored, ["restored deployment.apps/auth as it was", "restored deployment.apps/orders as it was"])

    def test_only_changed_services_are_rolled_back(self) -> None:
        (self.state / "stuck").write_text("deployment.apps/orders")
        self.assertEqual(self.deploy(auth="0", orders="1"), (1, "deployment.apps/orders@7"))

    def test_failed_smoke_test_is_rolled_back(self) -> None:
        self.shop.is_broken = True
        self.assertEqual(self.deploy(auth="1", orders="0"), (1, "deployment.apps/auth@3"))

    def test_failed_purchase_is_rolled_back(self) -> None:
        # This shop has no accounts. test_purchase.py has one where tickets are bought.
        self.password = "a long secret"
        self.assertEqual(self.deploy(auth="1", orders="0"), (1, "deployment.apps/auth@3"))
        self.assertIn("purchase.py: smoke-test+seller@127.0.0.1 can't sign in", self.output)

    def test_partial_deployment_is_rolled_back(self) -> None:
        (self.state / "unreachable").touch()
        self.assertEqual(self.deploy(auth="1", orders="1"), (1, "deployment.apps/auth@3"))

    def test_first_deployment_has_nothing_to_roll_back_to(self) -> None:
        self.shop.is_broken = True
        self.cluster = {}
        self.assertEqual(self.deploy(auth="1", orders="1"), (1, ""))

    def test_rollout_of_a_changed_store_is_awaited(self) -> None:
        (self.state / "manifests").write_text(MANIFESTS.replace("nats:2", "nats:3"))
        (self.state / "stuck").write_text("statefulset.apps/nats")
        self.assertEqual(self.deploy(auth="1", orders="0"), (1, "deployment.apps/auth@3"))
        self.assertIn("statefulset.apps/nats", self.waited_for())
        # A store's image is not rolled back: the newer version may already have written data.
        self.assertEqual(self.cluster["statefulset.apps/nats"][-1], "nats:3")

    def test_changed_configuration_of_a_store_is_rolled_back_with_the_services(self) -> None:
        (self.state / "stuck").write_text("statefulset.apps/nats")
        (self.state / "pods").write_text("nats-0 True\nnats-2 False\nnats-1 \n")
        # The same image in another revision.
        self.cluster["statefulset.apps/nats"] = ["nats:2 small", "nats:2 big"]
        (self.state / "manifests").write_text(MANIFESTS.replace("image: nats:2", "config: nats:2 broken"))
        self.assertEqual(self.deploy(auth="1", orders="0"), (1, "deployment.apps/auth@3 statefulset.apps/nats@2"))
        self.assertEqual(self.cluster["statefulset.apps/nats"][-1], "nats:2 big")
        deleted = [call.split()[4] for call in self.calls if "delete pod" in call]
        self.assertEqual(deleted, ["nats-2", "nats-1"], "those that are not ready")
        self.assertIn("failed and was rolled back", self.output)

    def test_changed_settings_are_rolled_back_with_the_services(self) -> None:
        policy, backup, route = "networkpolicy.networking.k8s.io/orders", "cronjob.batch/backup", "httproute.gateway.networking.k8s.io/shop"
        self.cluster |= {policy: ["port 1"], backup: ["image 1"], route: ["hosts [1, *]"]}
        changed = f"name: {policy}\nconfig: port 2\nname: {backup}\nconfig: image 2\nname: {route}\nconfig: hosts [1, *]\n"
        (self.state / "manifests").write_text(MANIFESTS + changed)
        self.shop.is_broken = True
        self.assertEqual(self.deploy(auth="1", orders="0"), (1, "deployment.apps/auth@3"))
        configured = {name: self.cluster[name] for name in (policy, backup, route)}
        self.assertEqual(configured, {policy: ["port 1", "port 2", "port 1"], backup: ["image 1", "image 2", "image 1"], route: ["hosts [1, *]"]})
        self.assertNotIn(f"{route} gets its earlier configuration", self.output, "it has not changed")

    def test_first_certificate_is_awaited(self) -> None:
        (self.state / "certificates").write_text("ticketing:\nticketing:\nticketing:2027-02-01T00:00:00Z")
        self.cluster = {}
        self.assertEqual(self.deploy(auth="1", orders="1"), (0, ""))
        self.assertIn("127.0.0.1 resolves to '127.0.0.1': create its A record with 192.0.2.7", self.output)
        self.assertIn(" ok /api/tickets", self.output)

    def test_deployment_without_a_certificate_succeeds_with_a_warning(self) -> None:
        (self.state / "certificates").write_text("ticketing:")
        self.certificate_wait = "0"
        self.shop.is_broken = True
        self.assertEqual(self.deploy(auth="1", orders="1"), (0, ""))
        self.assertIn("::warning::The deployment is complete, but", self.output)
        self.assertNotIn("smoke.sh", self.output)

    def test_rollout_of_an_unchanged_store_is_not_awaited(self) -> None:
        (self.state / "stuck").write_text("statefulset.apps/nats")
        self.assertEqual(self.deploy(auth="1", orders="0"), (0, ""))
        self.assertEqual(self.waited_for(), ["deployment.apps/auth", "deployment.apps/orders"])


class InOrder(unittest.TestCase):
    """in_order.py, with a fake gh and a fake kubectl."""

    def run_in_order(self, number: int, deployed: str, lists: list, *, fails: bool = False, waits: bool = False) -> tuple[int, str, str]:
        """Runs it as a run with this number. `lists` are the unfinished runs, each time that they are asked for. Returns
        the exit code, the output, and what was stored."""
        with tempfile.TemporaryDirectory() as folder:
            state = Path(folder)
            # It asks for four states; the runs are in the last.
            (state / "gh").write_text(f"""#!{sys.executable}
import json, sys
from pathlib import Path
runs = []
if sys.argv[2].startswith("repos/us/shop/actions/workflows/main.yml/runs?branch=main&status=in_progress"):
    lists = json.loads(Path("{folder}/lists").read_text())
    runs = lists.pop(0)
    Path("{folder}/lists").write_text(json.dumps(lists))
print(json.dumps({{"workflow_runs": [{{"run_number": number}} for number in runs]}}))
""")
            (state / "kubectl").write_text(f"""#!/bin/sh
                case $1 in
                  get) printf %s '{deployed}' ;;
                  *) echo "$*" >> {folder}/stored ;;
                esac""")
            for name in ("gh", "kubectl"):
                (state / name).chmod(0o755)
            (state / "lists").write_text(json.dumps(lists))
            (state / "stored").write_text("")
            environment = os.environ | {
                "PATH": f"{folder}:{os.environ['PATH']}", "POLL_INTERVAL": "0", "GITHUB_RUN_NUMBER": str(number), "GITHUB_REF_NAME": "main",
                "GITHUB_REPOSITORY": "us/shop", "GITHUB_WORKFLOW_REF": "us/shop/.github/workflows/main.yml@refs/heads/main",
            }
            command = ["sh", "-c", f"echo deploying; exit {int(fails)}"]
            command = [sys.executable, HERE / "in_order.py", *([] if waits else command)]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
            return done.returncode, done.stdout, (state / "stored").read_text().strip()

    def test_earlier_merges_go_first(self) -> None:
        code, said, stored = self.run_in_order(7, "4", [[9, 7, 6, 5], [6, 7], [7, 9]])
        self.assertEqual(code, 0)
        self.assertEqual(said.splitlines(), ["in_order.py: waiting for the runs 5, 6", "in_order.py: waiting for the runs 6", "deploying"])
        self.assertEqual(stored, "annotate --overwrite namespace ticketing ticketing/deployed-run=7")

    def test_it_may_only_wait(self) -> None:
        said = "in_order.py: waiting for the runs 6\n"
        self.assertEqual(self.run_in_order(7, "4", [[6, 7], [7]], waits=True), (0, said, ""))

    def test_later_merge_is_not_undone(self) -> None:
        code, said, stored = self.run_in_order(7, "8", [[7]])
        self.assertEqual((code, stored), (0, ""))
        self.assertIn("::notice::Run 8", said)
        self.assertNotIn("deploying", said)

    def test_failed_deployment_is_not_stored(self) -> None:
        self.assertEqual(self.run_in_order(7, "", [[7]], fails=True), (1, "deploying\n", ""))


class Dependabot(unittest.TestCase):
    """.github/dependabot.yml names folders that exist, and every folder with images of others."""

    def test_folders(self) -> None:
        root = HERE.parents[1]
        text = (root / ".github/dependabot.yml").read_text()
        for folder in re.findall(r"[ \[](/[a-z0-9/]*)", text):
            self.assertTrue((root / folder[1:]).is_dir(), folder)
        manifests = [*root.glob("infra/k8s/**/*.yaml"), *root.glob("infra/k8s-prod*/**/*.yaml"), *root.glob("infra/operations/**/*.yaml")]
        for file in manifests:
            if tagged(file.read_text()):
                self.assertIn("/" + str(file.parent.relative_to(root)), text)


if __name__ == "__main__":
    unittest.main()
