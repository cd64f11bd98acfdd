#!/usr/bin/env python3
"""Tests of the operator's small scripts, with a fake kubectl: python3 infra/operations/test_operations.py"""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).parent
# Prints its arguments, one a line, or plays two pods whose metrics contain the pod's name.
KUBECTL = f"""#!{sys.executable}
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
arguments = sys.argv[3:]
if arguments[0] == "exec":
    print(*sys.argv[1:], sep="\\n")
elif arguments[0] == "get":
    print("pod/orders-a\\npod/orders-b" if "app.kubernetes.io/name=orders" in arguments else "")
elif arguments[0] == "port-forward":
    class Metrics(BaseHTTPRequestHandler):
        def do_GET(self):
            body = f"# HELP x\\nconsumer_pending 3\\nnats_connected{{{{pod=\\"{{arguments[1]}}\\"}}}} 1\\n".encode()
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *_):
            pass
    server = HTTPServer(("127.0.0.1", 0), Metrics)
    print(f"Forwarding from 127.0.0.1:{{server.server_port}} -> {{arguments[2][1:]}}", flush=True)
    server.serve_forever()
"""


class Scripts(unittest.TestCase):
    """mongosh.sh and metrics.sh."""

    def run_script(self, name: str, *arguments: str) -> tuple[int, list]:
        """Runs a script. Returns its exit code and the lines that it prints."""
        with tempfile.TemporaryDirectory() as folder:
            kubectl = Path(folder, "kubectl")
            kubectl.write_text(KUBECTL)
            kubectl.chmod(0o755)
            environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
            done = subprocess.run([HERE / name, *arguments], env=environment, stdout=subprocess.PIPE, text=True, check=False)
            return done.returncode, done.stdout.splitlines()

    def test_metrics_of_all_pods_are_filtered(self) -> None:
        expected = ['orders-a  nats_connected{pod="pod/orders-a"} 1', 'orders-b  nats_connected{pod="pod/orders-b"} 1']
        self.assertEqual(self.run_script("metrics.sh", "orders", "^nats_(connected|x)"), (0, expected))
        self.assertEqual(len(self.run_script("metrics.sh", "orders")[1]), 4)
        self.assertEqual(self.run_script("metrics.sh", "orders", "no such metric"), (0, []))
        self.assertEqual(self.run_script("metrics.sh", "nobody"), (0, []))
        self.assertEqual(self.run_script("metrics.sh")[0], 2)

    def test_mongosh_runs_an_expression_beside_the_first_member(self) -> None:
        code, arguments = self.run_script("mongosh.sh", "rs.status()")
        self.assertEqual((code, arguments[:4]), (0, ["--namespace", "ticketing", "exec", "statefulset/mongodb"]))
        self.assertEqual((arguments[-1], arguments[-2].startswith("db = new Mongo(")), ("rs.status()", True))
        self.assertNotIn("--tty", arguments)
        self.assertEqual(sum("${tlsOptions}" in line for line in arguments), 2, "TLS, if it is on")
        interactive = self.run_script("mongosh.sh")[1]
        self.assertEqual((interactive[-1], interactive[3:5]), ("--shell", ["--stdin", "--tty"]))
        for line in arguments + interactive:
            self.assertFalse("ROOT_PASSWORD" in line and "process.env" not in line, line)
        self.assertEqual(self.run_script("mongosh.sh", "1", "2")[0], 2)


if __name__ == "__main__":
    unittest.main()
