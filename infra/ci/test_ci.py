#!/usr/bin/env python3
"""Tests of what the workflows run: python3 infra/ci/test_ci.py"""

import json
import os
import subprocess
import tempfile
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from affected import affected

HERE = Path(__file__).parent


def workspace(**needs: list) -> dict:
    """What cargo tells of a workspace in which each package needs these."""
    packages = []
    for name, needed in needs.items():
        folder = "services" if name in ("orders", "web") else "crates"
        dependencies = [{"name": other, "path": f"/w/crates/{other}"} for other in needed] + [{"name": "serde"}]
        packages.append({"name": name, "manifest_path": f"/w/{folder}/{name}/Cargo.toml", "dependencies": dependencies})
    return {"workspace_root": "/w", "packages": packages}


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


# A cluster of two deployments: each has its revision in a file, and `stuck` names one that never gets out.
KUBECTL = """#!/usr/bin/env bash
cd "$STATE"; echo "kubectl $*" >> calls
case "$*" in
  *'get deployments'*) ls *.revision 2> /dev/null | sed 's/\\(.*\\).revision/deployment.apps\\/\\1/' ;;
  *'get deployment.apps'*) name=${3#*/}; name=${4#*/}; cat "$name.revision" ;;
  *'rollout status'*) name=${5#*/}; ! grep -qx "$name" stuck 2> /dev/null ;;
  *'rollout undo'*) name=${5#*/}; echo "$7" > "$name.revision"; rm -f stuck ;;
esac
"""
SKAFFOLD = """#!/usr/bin/env bash
cd "$STATE"; echo "skaffold $*" >> calls
for name in $(cat changes); do echo $(($(cat "$name.revision" 2> /dev/null || echo 0) + 1)) > "$name.revision"; done
! [[ -e unreachable ]]
"""


class Deploy(unittest.TestCase):
    """What deploy.sh does with kubectl and skaffold, which are played here."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.state = Path(scratch.name)
        for name, text in (("kubectl", KUBECTL), ("skaffold", SKAFFOLD)):
            (self.state / name).write_text(text)
            (self.state / name).chmod(0o755)
        shop = type("OneShop", (Shop,), {})
        server = ThreadingHTTPServer(("127.0.0.1", 0), shop)
        Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.shop, self.address = shop, f"http://127.0.0.1:{server.server_port}"

    def deploy(self, changes: str, **files: str) -> tuple[int, str]:
        """Deploys onto what these files say; gives the exit code and what was undone."""
        (self.state / "changes").write_text(changes)
        for name, text in files.items():
            (self.state / name.replace("_", ".")).write_text(text)
        path = f"{self.state}:{os.environ['PATH']}"
        environment = os.environ | {"STATE": str(self.state), "PATH": path, "no_proxy": "*"}
        done = subprocess.run([HERE / "deploy.sh", "images.json", self.address], env=environment, capture_output=True, text=True, check=False)
        calls = (self.state / "calls").read_text().splitlines()
        self.assertIn("skaffold deploy --profile prod --build-artifacts images.json --status-check=false", calls)
        undone = [call.split()[5] + "@" + call.split()[-1] for call in calls if "rollout undo" in call]
        return done.returncode, " ".join(sorted(undone))

    def test_what_gets_out_stays(self) -> None:
        self.assertEqual(self.deploy("auth orders", auth_revision="3", orders_revision="7"), (0, ""))

    def test_what_does_not_get_out_is_taken_back(self) -> None:
        undone = "deployment.apps/auth@3 deployment.apps/orders@7"
        self.assertEqual(self.deploy("auth orders", auth_revision="3", orders_revision="7", stuck="orders\n"), (1, undone))

    def test_what_did_not_change_is_left_alone(self) -> None:
        self.assertEqual(self.deploy("orders", auth_revision="3", orders_revision="7", stuck="orders\n"), (1, "deployment.apps/orders@7"))

    def test_a_shop_that_does_not_answer_is_taken_back(self) -> None:
        self.shop.is_broken = True
        self.assertEqual(self.deploy("auth", auth_revision="3", orders_revision="7"), (1, "deployment.apps/auth@3"))

    def test_half_a_deployment_is_taken_back(self) -> None:
        self.assertEqual(self.deploy("auth", auth_revision="3", unreachable=""), (1, "deployment.apps/auth@3"))

    def test_the_first_has_nothing_to_go_back_to(self) -> None:
        self.shop.is_broken = True
        self.assertEqual(self.deploy("auth"), (1, ""))


if __name__ == "__main__":
    unittest.main()
