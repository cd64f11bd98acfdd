#!/usr/bin/env python3
"""Tests of account.py and fill_store.py with stand-ins for doctl, kubectl and cargo."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

# An account in a file. Commands and flags that are not in this list end with an error, as doctl's would.
DOCTL = '''#!/usr/bin/env python3
import json, os, sys
from pathlib import Path

state = Path(os.environ["STATE"])
account = json.loads((state / "account").read_text())
with (state / "calls").open("a") as calls:
    print("doctl", *sys.argv[1:], file=calls)
FLAGS = {
    "account get": "",
    "compute size list": "",
    "kubernetes options versions": "",
    "vpcs list": "", "vpcs create": "name region ip-range",
    "kubernetes cluster list": "",
    "kubernetes cluster create": "region version vpc-uuid cluster-subnet service-subnet node-pool auto-upgrade surge-upgrade maintenance-window wait",
    "registry get": "", "registry create": "subscription-tier region", "registry docker-config": "",
    "compute domain list": "", "compute domain create": "",
    "compute domain records list": "", "compute domain records create": "record-type record-name record-data record-ttl",
    "compute domain records update": "record-id record-data record-ttl",
    "projects list": "", "projects create": "name purpose environment", "projects resources assign": "resource",
}
words, flags, arguments = [], {}, sys.argv[1:]
while arguments:
    word = arguments.pop(0)
    if not word.startswith("--"):
        words.append(word)
        continue
    name, equals, value = word[2:].partition("=")
    flags.setdefault(name, []).append(value if equals or name == "wait" else arguments.pop(0))
command = max((known for known in FLAGS if (" ".join(words) + " ").startswith(known + " ")), key=len)
rest = words[len(command.split()):]
unknown = set(flags) - set(FLAGS[command].split()) - {"output"}
if unknown:
    sys.exit(f"unknown flags of {command}: {unknown}")
one = {name: values[0] for name, values in flags.items()}
kind = {"vpcs": "vpcs", "kubernetes cluster": "clusters", "compute domain": "domains", "compute domain records": "records", "projects": "projects"}.get(command.rpartition(" ")[0])
if command == "registry docker-config":
    print('{"auths": {"registry.digitalocean.com": {"auth": "c2VjcmV0"}}}')
    sys.exit()
if command == "registry get" and not account["registry"]:
    sys.exit("Error: GET https://api.digitalocean.com/v2/registry: 404 registry does not exist")
if command == "account get":
    found = {"email": "owner@example.com"}
elif command == "compute size list":
    found = [{"slug": "s-4vcpu-8gb", "price_monthly": 48}]
elif command == "kubernetes options versions":
    found = [{"slug": slug} for slug in account["versions"]]
elif command == "registry get":
    found = account["registry"]
elif command == "registry create":
    found = account["registry"] = [{"name": rest[0]}]
elif command == "projects resources assign":
    found = account["assigned"] = flags["resource"]
elif command.endswith(" list"):
    found = account[kind]
elif command == "compute domain records create":
    account["records"].append({"id": 7, "type": one["record-type"], "name": one["record-name"], "data": one["record-data"]})
    found = account["records"][-1:]
elif command == "compute domain records update":
    record = next(record for record in account["records"] if str(record["id"]) == one["record-id"])
    record["data"] = one["record-data"]
    found = [record]
else:
    found = {"id": f"id-of-{kind}", "name": rest[0] if rest else one["name"], "version": one.get("version"), "cluster_subnet": one.get("cluster-subnet")}
    account[kind].append(found)
    found = [found]
(state / "account").write_text(json.dumps(account))
print(json.dumps(found))
'''
KUBECTL = '''#!/bin/sh
echo "kubectl $*" >> "$STATE/calls"
case "$*" in
  *'get gateway'*) printf %s "$GATEWAY" ;;
  *'get secrets'*) cat "$STATE/stored" 2> /dev/null || true ;;
  *'--filename -') cat > "$STATE/applied" ;;
esac
'''
# Writes what `cargo xtask secrets` writes, with fewer values, and keeps what is there.
CARGO = '''#!/usr/bin/env python3
import sys
from pathlib import Path

assert sys.argv[1:4] == ["xtask", "secrets", "--out"] and sys.argv[5:] == ["--mongodb-members", "3"], sys.argv
folder = Path(sys.argv[4])
(folder / "keys").mkdir(parents=True, exist_ok=True)
for name in "auth tickets orders payments expiration web jwks limits mongodb mongodb-audit nats redis fakestripe".split():
    (folder / f"{name}.env").write_text(f"URL=of {name}?a=b\\nSTRIPE_KEY=sk_test_generated\\n")
for name in ("jwt", "pass"):
    (folder / f"keys/{name}.pem").write_text(f"key {name}\\n")
'''


class Scripts(unittest.TestCase):
    """A folder with the stand-ins and with the settings."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.state = Path(scratch.name)
        (self.state / "programs").mkdir()
        for name, text in (("doctl", DOCTL), ("kubectl", KUBECTL), ("cargo", CARGO)):
            (self.state / "programs" / name).write_text(text)
            (self.state / "programs" / name).chmod(0o755)
        for file in ("infra/k8s-prod/production.env", "infra/operations/offsite/offsite.env"):
            (self.state / file).parent.mkdir(parents=True)
            shutil.copy(ROOT / file, self.state / file)
        self.account = {"vpcs": [], "clusters": [], "registry": [], "domains": [], "projects": [], "records": [], "versions": ["1.32.9-do.2", "1.34.1-do.0", "1.33.10-do.1"]}

    def run_script(self, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Runs a script, with the account before and after."""
        (self.state / "account").write_text(json.dumps(self.account))
        (self.state / "calls").write_text("")
        path = f"{self.state}/programs:{os.environ['PATH']}"
        known = {key: value for key, value in os.environ.items() if not key.startswith(("STRIPE_", "S3_", "DOCKER_"))}
        done = subprocess.run(
            [sys.executable, "-B", HERE / script, *arguments], env=known | {"PATH": path, "STATE": str(self.state)} | environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )
        self.account = json.loads((self.state / "account").read_text())
        self.calls = (self.state / "calls").read_text()
        return done


class Account(Scripts):
    """account.py"""

    def run_account(self, command: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Runs it for a host."""
        options = ["--host", "tickets.example.com", "--domain", "example.com", "--settings", str(self.state)]
        return self.run_script("account.py", command, *options, *arguments, **environment)

    def test_fresh_account_gets_everything_once(self) -> None:
        done = self.run_account("create", "--yes", "--bucket", "ours")
        self.assertEqual(done.returncode, 0, done.stderr)
        cluster = self.account["clusters"][0]
        self.assertEqual(cluster["version"], "1.34.1-do.0", "the newest, compared as numbers")
        self.assertIn("--vpc-uuid id-of-vpcs --cluster-subnet 10.112.0.0/16 --service-subnet 10.113.0.0/19", self.calls)
        self.assertIn("name=main;size=s-4vcpu-8gb;count=3", self.calls)
        self.assertEqual(self.account["assigned"], ["do:kubernetes:id-of-clusters", "do:domain:example.com"])
        self.assertIn("3 nodes of s-4vcpu-8gb for 144.00 USD a month", done.stdout)
        for line in ("REGISTRY=registry.digitalocean.com/ticketing", "REGISTRY_USER=owner@example.com", "CLUSTER=ticketing", "SHOP=https://tickets.example.com"):
            self.assertIn(line, done.stdout)
        production = (self.state / "infra/k8s-prod/production.env").read_text()
        self.assertIn("\nPUBLIC_URL=https://tickets.example.com\n", production)
        self.assertIn("\nTRUSTED_PROXIES=10.112.0.0/16\n", production)
        self.assertIn("\nS3_BUCKET=ours\n", (self.state / "infra/operations/offsite/offsite.env").read_text())
        again = self.run_account("create", "--yes")
        self.assertEqual(again.returncode, 0, again.stderr)
        self.assertNotIn(" create ", self.calls)

    def test_nothing_is_created_unasked_or_where_it_would_not_work(self) -> None:
        asked = self.run_account("create")
        self.assertNotEqual(asked.returncode, 0)
        self.assertNotIn(" create ", self.calls)
        self.account["versions"] = ["1.32.9-do.2"]
        self.assertIn("the managed Gateway needs 1.33", self.run_account("create", "--yes").stderr)
        for version, subnet, expected in (("1.31.1-do.0", "10.112.0.0/16", "upgrade the cluster"), ("1.34.1-do.0", "10.244.0.0/16", "VPC-native")):
            self.account["clusters"] = [{"id": "c", "name": "ticketing", "version": version, "cluster_subnet": subnet}]
            self.assertIn(expected, self.run_account("create", "--yes").stderr)
        self.assertIn("is not part of", self.run_script("account.py", "create", "--host", "a.example.org", "--domain", "example.com").stderr)

    def test_host_points_at_the_gateway(self) -> None:
        self.assertIn("has no address yet", self.run_account("dns", GATEWAY="").stderr)
        self.assertEqual(self.run_account("dns", GATEWAY="192.0.2.7").returncode, 0)
        self.assertEqual(self.account["records"], [{"id": 7, "type": "A", "name": "tickets", "data": "192.0.2.7"}])
        self.run_account("dns", GATEWAY="192.0.2.7")
        self.assertNotIn("records create", self.calls)
        self.run_account("dns", GATEWAY="192.0.2.8")
        self.assertEqual([record["data"] for record in self.account["records"]], ["192.0.2.8"])


class FillStore(Scripts):
    """fill_store.py"""

    known = {"STRIPE_KEY": "sk_live_1", "STRIPE_PUBLISHABLE_KEY": "pk_live_1", "STRIPE_WEBHOOK_SECRETS": "whsec_1", "STRIPE_AUDIT_KEY": "rk_live_1", "S3_ACCESS_KEY": "s3", "S3_SECRET_KEY": "s3secret"}

    def fill(self, **environment: str) -> subprocess.CompletedProcess:
        """Fills the store from a folder."""
        return self.run_script("fill_store.py", str(self.state / "folder"), **(self.known | environment))

    def stored(self) -> dict:
        """Returns the values by entry."""
        items = json.loads((self.state / "applied").read_text())["items"]
        return {item["metadata"]["name"].removeprefix("ticketing-"): item["stringData"] for item in items}

    def test_every_entry_that_production_reads_is_filled(self) -> None:
        done = self.fill()
        self.assertEqual(done.returncode, 0, done.stderr)
        stored = self.stored()
        files = [*ROOT.glob("infra/k8s-prod/*.yaml"), *ROOT.glob("infra/operations/offsite/*.yaml")]
        read = {name for file in files for name in re.findall(r"^ +key: ticketing-(\S+)$", file.read_text(), re.MULTILINE)}
        self.assertGreater(len(read), 12)
        self.assertEqual(set(stored), read)
        self.assertEqual(stored["auth"]["JWT_PRIVATE_KEYS"], "key jwt\n")
        self.assertEqual(stored["orders"]["URL"], "of orders?a=b")
        self.assertEqual((stored["payments"]["STRIPE_KEY"], stored["mongodb-audit"]["STRIPE_KEY"]), ("sk_live_1", "rk_live_1"))
        self.assertIn("auths", json.loads(stored["registry"]["dockerconfigjson"]))
        password = stored["mongodb-offsite"]["BACKUP_PASSWORD"]
        self.assertEqual(len(password), 64)
        for secret in (*self.known.values(), password):
            self.assertNotIn(secret + " ", self.calls + " ")
            self.assertNotIn(secret + "\n", done.stdout)
        self.assertEqual((self.state / "folder/keys/backup.password").stat().st_mode & 0o777, 0o600)
        self.fill()
        self.assertEqual(self.stored()["mongodb-offsite"]["BACKUP_PASSWORD"], password, "it is kept")

    def test_filled_store_is_not_overwritten_from_another_folder(self) -> None:
        (self.state / "stored").write_text("secret/ticketing-auth\nsecret/ticketing-mongodb\n")
        self.assertIn("the folder that it was filled from", self.fill().stderr)
        self.assertFalse((self.state / "applied").exists())

    def test_what_is_missing_is_named(self) -> None:
        for name in ("STRIPE_KEY", "S3_SECRET_KEY"):
            self.assertIn(f"{name} is not set", self.fill(**{name: ""}).stderr)
        self.assertEqual(self.fill(STRIPE_AUDIT_KEY="").returncode, 0)
        self.assertNotIn("mongodb-audit", self.stored())
        self.assertIn("outside of this repository", self.run_script("fill_store.py", str(ROOT / "secrets"), **self.known).stderr)


if __name__ == "__main__":
    unittest.main()
