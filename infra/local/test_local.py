#!/usr/bin/env python3
"""Tests of the scripts of the local cluster, with fakes of the programs that they run: python3 infra/local/test_local.py"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).parent
# Records its calls. `kind` has a version and a list of clusters, and adds the one that it is told to create.
PROGRAM = """#!/bin/bash
echo "${0##*/} $*" >> "$STATE/calls"
case "${0##*/} $*" in
  'kind version') cat "$STATE/version" ;;
  'kind get clusters') cat "$STATE/clusters" ;;
  'kind create cluster '*) echo ticketing > "$STATE/clusters" ;;
esac
"""
# The programs of the scripts themselves.
TOOLS = ("bash", "cat", "dirname", "env", "grep", "head", "mkdir", "sed", "sort")


class Script(unittest.TestCase):
    """Runs copies of the scripts in a folder of their own, with nothing but fakes and TOOLS on PATH."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = Path(scratch.name)
        self.bin = self.root / "bin"
        for folder in ("bin", "infra/ci", "infra/local"):
            (self.root / folder).mkdir(parents=True)
        for tool in TOOLS:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        for script in ("cluster.sh", "deployed.sh"):
            shutil.copy(HERE / script, self.root / "infra/local")
        for program in ("cargo", "docker", "kind", "kubectl", "openssl", "skaffold"):
            self.add(self.bin / program)
        self.add(self.root / "infra/ci/prepare_cluster.sh")
        (self.root / "version").write_text("kind v0.33.0 go1.26.0 linux/amd64\n")
        (self.root / "clusters").write_text("another\n")

    @staticmethod
    def add(program: Path) -> None:
        """Creates a fake program."""
        program.write_text(PROGRAM)
        program.chmod(0o755)

    def run_script(self, name: str, *arguments: str, **variables: str) -> tuple[int, list]:
        """Runs a script. Returns its exit code and the programs that it called."""
        (self.root / "calls").write_text("")
        environment = {"PATH": str(self.bin), "STATE": str(self.root), "HOME": str(self.root)} | variables
        command = [self.root / "infra/local" / name, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        self.output = done.stdout + done.stderr
        return done.returncode, (self.root / "calls").read_text().splitlines()


class Cluster(Script):
    """cluster.sh."""

    SETUP = ["cargo xtask secrets", "kubectl apply --namespace ticketing --kustomize infra/k8s-dev/setup"]

    def test_a_cluster_is_created_once(self) -> None:
        code, calls = self.run_script("cluster.sh")
        self.assertEqual(code, 0, self.output)
        self.assertIn("kind create cluster --config infra/local/kind.yaml --wait 3m", calls)
        self.assertEqual(calls[-3:], ["prepare_cluster.sh ", *self.SETUP])
        self.assertIn("https://ticketing.localhost:8443", self.output)

        code, calls = self.run_script("cluster.sh")
        self.assertEqual(code, 0, self.output)
        self.assertEqual([call for call in calls if "create" in call], [])
        self.assertIn("docker start ticketing-control-plane", calls)
        self.assertEqual(calls[-3:], ["prepare_cluster.sh ", *self.SETUP])

    def test_the_current_cluster_is_only_prepared(self) -> None:
        (self.bin / "kind").unlink()
        (self.bin / "docker").unlink()
        code, calls = self.run_script("cluster.sh", "--current")
        self.assertEqual((code, calls), (0, ["kubectl get gatewayclass nginx", *self.SETUP]), self.output)

    def test_all_missing_programs_are_listed_before_anything_is_done(self) -> None:
        for program in ("kind", "openssl", "skaffold"):
            (self.bin / program).unlink()
        self.assertEqual(self.run_script("cluster.sh"), (1, []))
        missing = [line.split(":")[0].strip() for line in self.output.splitlines()[1:]]
        self.assertEqual(missing, ["kind", "openssl", "skaffold"])

    def test_an_old_kind_is_refused(self) -> None:
        # Its network would not enforce the policies.
        for version in ("0.9.0", "0.32.9"):
            (self.root / "version").write_text(f"kind v{version} go1.26.0 linux/amd64\n")
            code, calls = self.run_script("cluster.sh")
            self.assertEqual((code, calls), (1, ["docker info", "kind version"]))
            self.assertIn(f"kind {version} is too old", self.output)
        for version in ("0.33.1", "0.100.0", "1.0.0"):
            (self.root / "version").write_text(f"kind v{version} go1.26.0 linux/amd64\n")
            self.assertEqual(self.run_script("cluster.sh")[0], 0, version)


class Kind(unittest.TestCase):
    """The clusters of kind of a laptop and of CI."""

    def test_ci_has_the_version_and_the_nodes_of_a_laptop(self) -> None:
        script, workflow, laptop, ci = (
            (HERE.parents[1] / path).read_text()
            for path in ("infra/local/cluster.sh", ".github/workflows/cluster.yml", "infra/local/kind.yaml", "infra/cluster-test/kind.yaml")
        )
        version = re.search("^readonly KIND_VERSION=(.*)$", script, re.MULTILINE)
        assert version is not None
        self.assertIn(f"          version: v{version[1]}.0\n", workflow)
        images = [re.findall("image: (.*)", config) for config in (laptop, ci)]
        self.assertEqual((len(images[0]), len(images[1])), (1, ci.count("role:")))
        self.assertEqual(set(images[0]), set(images[1]))


class Deployed(Script):
    """deployed.sh."""

    def test_demo_data_is_loaded_once_per_run_of_skaffold(self) -> None:
        loads = (0, ["cargo xtask demo"])
        self.assertEqual(self.run_script("deployed.sh", SKAFFOLD_RUN_ID="one"), loads)
        self.assertEqual(self.run_script("deployed.sh", SKAFFOLD_RUN_ID="one"), (0, []))
        self.assertIn("https://ticketing.localhost:8443", self.output)
        self.assertEqual(self.run_script("deployed.sh", SKAFFOLD_RUN_ID="two"), loads)

    def test_failing_demo_data_does_not_fail_the_deployment(self) -> None:
        (self.bin / "cargo").write_text("#!/bin/bash\nexit 1\n")
        self.assertEqual(self.run_script("deployed.sh", SKAFFOLD_RUN_ID="one"), (0, []))
        self.assertIn("could not be loaded", self.output)


if __name__ == "__main__":
    unittest.main()
