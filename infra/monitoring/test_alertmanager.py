#!/usr/bin/env python3
"""Tests of the Alertmanager template with amtool (Debian: prometheus-alertmanager), which they skip without."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

HERE = Path(__file__).parent
AMTOOL = shutil.which("amtool")
VALUES = yaml.safe_load((HERE / "kube-prometheus-stack.yaml").read_text())


def rules() -> list:
    """Returns the alerts of this project."""
    groups = yaml.safe_load((HERE / "prometheusrule.yaml").read_text())["spec"]["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


class Alertmanager(unittest.TestCase):
    """Which alert reaches whom."""

    def amtool(self, *arguments: str) -> str:
        """Runs amtool with the configuration as its last argument or option, and returns its output."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            # JSON is YAML.
            json.dump(VALUES["alertmanager"]["config"], file)
            file.flush()
            command = [AMTOOL, *(argument.replace("CONFIG", file.name) for argument in arguments)]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @unittest.skipUnless(AMTOOL, "amtool is not installed")
    def test_configuration_is_valid(self) -> None:
        self.assertIn("SUCCESS", self.amtool("check-config", "CONFIG"))

    @unittest.skipUnless(AMTOOL, "amtool is not installed")
    def test_every_alert_reaches_a_person(self) -> None:
        receivers = {"critical": "pager", "warning": "mail"}
        for name, severity in sorted({(rule["alert"], rule["labels"]["severity"]) for rule in rules()}):
            routed = self.amtool("config", "routes", "test", "--config.file=CONFIG", f"alertname={name}", f"severity={severity}", "job=web")
            self.assertEqual(routed.strip(), receivers[severity], name)
        for labels, receiver in ((("alertname=Watchdog", "severity=none"), "heartbeat"), (("alertname=InfoInhibitor", "severity=none"), "nobody"), (("alertname=KubePodCrashLooping",), "mail")):
            self.assertEqual(self.amtool("config", "routes", "test", "--config.file=CONFIG", *labels).strip(), receiver)

    def test_operator_selects_monitors_and_rules(self) -> None:
        text = (HERE / "kube-prometheus-stack.yaml").read_text()
        release = re.search(r"helm upgrade --install (\S+) ", text)[1]
        for file in ("podmonitor.yaml", "prometheusrule.yaml"):
            labels = yaml.safe_load((HERE / file).read_text())["metadata"]["labels"]
            self.assertEqual(labels["release"], release, file)

    def test_secrets_are_mounted(self) -> None:
        config = json.dumps(VALUES["alertmanager"]["config"])
        mounted = {f"/etc/alertmanager/secrets/{name}" for name in VALUES["alertmanager"]["alertmanagerSpec"]["secrets"]}
        files = re.findall(r'_file": "([^"]+)"', config)
        self.assertEqual({file.rpartition("/")[0] for file in files}, mounted)
        self.assertNotIn("password\":", config)


if __name__ == "__main__":
    unittest.main()
