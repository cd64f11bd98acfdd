#!/usr/bin/env python3
"""Tests of offsite.sh with the real rclone (Debian: rclone) and a stand-in for S3 (PyPI: moto[server]); skipped without."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from importlib.util import find_spec
from pathlib import Path

HERE = Path(__file__).parent
HAS_ALL = shutil.which("rclone") and find_spec("moto") and find_spec("flask")


def name(days: float) -> str:
    """Returns the name of a backup of so many days ago."""
    return time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime(time.time() - days * 86400))


@unittest.skipUnless(HAS_ALL, "rclone or moto[server] is not installed")
class Offsite(unittest.TestCase):
    """offsite.sh against a bucket."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        self.url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                request = urllib.request.Request(f"{self.url}/backups", method="PUT")
                urllib.request.urlopen(request).close()
                break
            except OSError:
                time.sleep(0.05)
        self.settings = {"S3_ENDPOINT": self.url, "S3_BUCKET": "backups", "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "b", "BACKUP_PASSWORD": "a long password"}

    def backup(self, days: float, text: str = "all orders", *, is_complete: bool = True) -> str:
        """Makes a backup of so many days ago, and returns its name."""
        folder = self.scratch / "backup" / name(days)
        (folder / "orders").mkdir(parents=True)
        (folder / "orders/orders.bson.gz").write_text(text)
        if is_complete:
            (folder / "manifest.json").write_text("{}")
        return folder.name

    def run_script(self, verb: str, folder: str = "backup", **settings: str) -> subprocess.CompletedProcess:
        """Runs the script with this folder as the backups."""
        (self.scratch / folder).mkdir(exist_ok=True)
        environment = {"PATH": os.environ["PATH"], "BACKUP_DIR": str(self.scratch / folder)} | self.settings | settings
        return subprocess.run(["/bin/sh", HERE / "offsite.sh", verb], env=environment, capture_output=True, text=True, check=False)

    def stored(self) -> str:
        """Returns the bucket's listing."""
        return urllib.request.urlopen(f"{self.url}/backups").read().decode()

    def test_newest_complete_backup_comes_back(self) -> None:
        old, new = self.backup(2, "old"), self.backup(1)
        self.backup(0, "half", is_complete=False)
        copied = self.run_script("copy")
        self.assertEqual((copied.returncode, copied.stdout.split("\n")[:2]), (0, [f"copied {old}", f"copied {new}"]), copied.stderr)
        self.assertEqual(self.run_script("copy").stdout, "", "nothing is copied twice")
        fetched = self.run_script("fetch", "restored")
        self.assertEqual((fetched.returncode, fetched.stdout), (0, f"fetched {new}\n"), fetched.stderr)
        restored = self.scratch / "restored" / new
        self.assertEqual((restored / "orders/orders.bson.gz").read_text(), "all orders")
        self.assertTrue((restored / "manifest.json").is_file())

    def test_what_leaves_the_cluster_is_encrypted(self) -> None:
        self.backup(1, "secret text")
        self.assertEqual(self.run_script("copy").returncode, 0)
        listing = self.stored()
        self.assertIn("<Key>backups/", listing)
        for word in ("orders", "manifest", name(1)[:10]):
            self.assertNotIn(word, listing)
        key = listing.partition("<Key>")[2].partition("</Key>")[0]
        bucket = {"TYPE": "s3", "PROVIDER": "Other", "ENDPOINT": self.url, "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b"}
        environment = {"PATH": os.environ["PATH"], "RCLONE_CONFIG": "/dev/null"} | {f"RCLONE_CONFIG_BUCKET_{key}": value for key, value in bucket.items()}
        content = subprocess.run(["rclone", "cat", f"bucket:backups/{key}"], env=environment, check=True, capture_output=True).stdout
        self.assertTrue(content.startswith(b"RCLONE") and b"secret text" not in content)
        other = self.run_script("fetch", "restored", BACKUP_PASSWORD="another password")
        self.assertEqual(other.returncode, 1)
        self.assertIn("or it has another password", other.stderr)

    def test_old_copies_are_deleted_but_not_the_newest(self) -> None:
        oldest, old = self.backup(120), self.backup(100)
        self.assertEqual(self.run_script("copy").stdout.splitlines(), [f"copied {oldest}", f"copied {old}", f"deleted {oldest}"])
        stale = self.run_script("fetch", "restored")
        self.assertEqual(stale.returncode, 1)
        self.assertIn(f"the newest backup is {old}", stale.stderr)

    def test_failures_fail(self) -> None:
        self.assertIn("there is no backup in", self.run_script("copy", "empty").stderr)
        self.assertIn("there is no backup in the bucket", self.run_script("fetch", "restored").stderr)
        self.backup(1)
        for settings in ({"S3_BUCKET": "missing"}, {"S3_ENDPOINT": "http://127.0.0.1:1"}):
            self.assertNotEqual(self.run_script("copy", **settings, RCLONE_RETRIES="1", RCLONE_LOW_LEVEL_RETRIES="1").returncode, 0)
        self.assertNotEqual(self.run_script("copy", BACKUP_PASSWORD="").returncode, 0)


if __name__ == "__main__":
    unittest.main()
