#!/usr/bin/env python3
"""Creates what the marketplace needs in an account at DigitalOcean, with doctl. Safe to run again: what exists stays.

    account.py create --host tickets.example.com --domain example.com [--region fra1] [--nodes 3] [--size s-4vcpu-8gb]
    account.py dns --host tickets.example.com --domain example.com      once the Gateway has an address

`create` makes a VPC, a Kubernetes cluster in it (VPC-native, with a version that has the managed Gateway), a registry, a
domain and a project; writes infra/k8s-prod/production.env and infra/operations/offsite/offsite.env; and prints what to do
next and what to put into GitHub. It asks before it creates anything, unless --yes is given. docs/production.md says what
it costs.
"""

import argparse
import ipaddress
import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The managed Gateway needs this version of Kubernetes, and a VPC-native cluster.
OLDEST = (1, 33)
# Networks of the VPC, of pods and of Services. They must not overlap with each other or with other VPCs of the account.
NODES, PODS, SERVICES = "10.110.0.0/20", "10.112.0.0/16", "10.113.0.0/19"


def doctl(*arguments: str) -> list:
    """Runs doctl and returns the objects that it prints."""
    done = subprocess.run(["doctl", *arguments, "--output", "json"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"account.py: doctl {' '.join(arguments)} failed")
    found = json.loads(done.stdout or "[]") or []
    return found if isinstance(found, list) else [found]


def named(objects: list, name: str) -> dict | None:
    """Returns the object with this name."""
    return next((found for found in objects if found["name"] == name), None)


def version_of(text: str) -> tuple:
    """Returns a version such as 1.34.1-do.0 as numbers."""
    return tuple(int(number) for number in re.findall(r"\d+", text))


def newest(versions: list) -> str:
    """Returns the newest version of Kubernetes that is offered."""
    slug = max((version["slug"] for version in versions), key=version_of)
    if version_of(slug) < OLDEST:
        raise SystemExit(f"account.py: {slug} is the newest version offered, and the managed Gateway needs 1.33")
    return slug


def step(verb: str, what: str) -> None:
    """Prints what is being done."""
    print(f"{verb:>12} {what}", flush=True)


class Account:
    """The account with the names and sizes that were chosen."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.name = options.name

    def vpc(self) -> dict:
        """Returns the VPC."""
        if found := named(doctl("vpcs", "list"), self.name):
            step("Found", f"VPC {self.name}")
            return found
        step("Creating", f"VPC {self.name}, {NODES}")
        return doctl("vpcs", "create", "--name", self.name, "--region", self.options.region, "--ip-range", NODES)[0]

    def cluster(self, vpc: dict) -> dict:
        """Returns the cluster, and fails if an existing one can't have the managed Gateway."""
        if found := named(doctl("kubernetes", "cluster", "list"), self.name):
            step("Found", f"cluster {self.name}, {found['version']}")
            if version_of(found["version"]) < OLDEST:
                raise SystemExit("account.py: the managed Gateway needs Kubernetes 1.33: upgrade the cluster")
            if ipaddress.ip_network(found["cluster_subnet"]) == ipaddress.ip_network("10.244.0.0/16"):
                raise SystemExit("account.py: the managed Gateway needs a VPC-native cluster, and this one is not: create it under another --name")
            return found
        version = newest(doctl("kubernetes", "options", "versions"))
        pool = f"name=main;size={self.options.size};count={self.options.nodes}"
        step("Creating", f"cluster {self.name}, {version}, {self.options.nodes} nodes: some minutes")
        return doctl(
            "kubernetes", "cluster", "create", self.name, "--region", self.options.region, "--version", version,
            "--vpc-uuid", vpc["id"], "--cluster-subnet", PODS, "--service-subnet", SERVICES, "--node-pool", pool,
            "--auto-upgrade=true", "--surge-upgrade=true", "--maintenance-window", "tuesday=03:00", "--wait",
        )[0]

    def registry(self) -> dict:
        """Returns the account's registry. The smallest tier that is paid has room: all images are in one repository."""
        done = subprocess.run(["doctl", "registry", "get", "--output", "json"], capture_output=True, text=True, check=False)
        found = json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else []
        if found:
            found = found if isinstance(found, list) else [found]
            step("Found", f"registry {found[0]['name']}")
            return found[0]
        if done.returncode != 0 and "404" not in done.stderr:
            raise SystemExit(f"account.py: doctl registry get failed: {done.stderr.strip()}")
        name = self.options.registry or self.name
        step("Creating", f"registry {name}")
        return doctl("registry", "create", name, "--subscription-tier", "basic", "--region", self.options.region)[0]

    def domain(self) -> None:
        """Creates the domain, whose name servers are DigitalOcean's."""
        if named(doctl("compute", "domain", "list"), self.options.domain):
            step("Found", f"domain {self.options.domain}")
            return
        step("Creating", f"domain {self.options.domain}")
        doctl("compute", "domain", "create", self.options.domain)

    def project(self, cluster: dict) -> None:
        """Puts everything into a project."""
        found = named(doctl("projects", "list"), self.name)
        if not found:
            step("Creating", f"project {self.name}")
            found = doctl("projects", "create", "--name", self.name, "--purpose", "Web Application", "--environment", "Production")[0]
        resources = [f"--resource=do:kubernetes:{cluster['id']}", f"--resource=do:domain:{self.options.domain}"]
        doctl("projects", "resources", "assign", found["id"], *resources)

    def price(self) -> float:
        """Returns the price of the nodes a month."""
        size = next((size for size in doctl("compute", "size", "list") if size["slug"] == self.options.size), None)
        if not size:
            raise SystemExit(f"account.py: there is no size {self.options.size}: see doctl compute size list")
        return size["price_monthly"] * self.options.nodes


def set_values(file: Path, **values: str) -> None:
    """Sets values in a file of settings."""
    text = file.read_text()
    for key, value in values.items():
        text, count = re.subn(rf"^{key}=.*$", f"{key}={value}", text, flags=re.MULTILINE)
        if count != 1:
            raise SystemExit(f"account.py: {file} does not set {key}")
    file.write_text(text)


def create(options: argparse.Namespace) -> None:
    """Creates everything, and prints what comes next."""
    account = Account(options)
    user = doctl("account", "get")[0]
    price = account.price()
    print(f"In the account of {user['email']}: {options.nodes} nodes of {options.size} for {price:.2f} USD a month, and a registry,")
    print("a load balancer, volumes and a bucket as docs/production.md lists them. What exists already is kept.")
    if not options.yes and input("Type yes to create what is missing: ") != "yes":
        raise SystemExit("account.py: nothing was created")
    cluster = account.cluster(account.vpc())
    registry = account.registry()
    account.domain()
    account.project(cluster)
    settings = Path(options.settings)
    set_values(settings / "infra/k8s-prod/production.env", PUBLIC_URL=f"https://{options.host}", TRUSTED_PROXIES=cluster["cluster_subnet"])
    endpoint = f"https://{options.region}.digitaloceanspaces.com"
    set_values(settings / "infra/operations/offsite/offsite.env", S3_ENDPOINT=endpoint, S3_REGION=options.region, S3_BUCKET=options.bucket)
    print(f"""
Settings are in infra/k8s-prod/production.env and infra/operations/offsite/offsite.env: commit them.

Next, as docs/production.md explains:
  1. At your registrar, delegate {options.domain} to ns1, ns2 and ns3.digitalocean.com.
  2. In the control panel, create the Spaces bucket {options.bucket} in {options.region} (private), and a key for it.
  3. Install the prerequisites in the cluster, and fill the secret store with infra/digitalocean/fill_store.py.
  4. Put into GitHub, and merge:

     repository variables        REGISTRY={registry_host(registry)}
                                 REGISTRY_USER={user['email']}
     environment registry        secret REGISTRY_TOKEN: an API token with the scope registry (create, read, update)
     environment production      variables CLUSTER={cluster['name']}
                                           SHOP=https://{options.host}
                                 secret DIGITALOCEAN_TOKEN: an API token with the scopes kubernetes (read, access_cluster)
                                 secret REGISTRY_TOKEN: as above, or one that may only read
  5. As soon as the first deployment says that the Gateway has an address:
     infra/digitalocean/account.py dns --host {options.host} --domain {options.domain}
  6. When the shop responds, let deployments buy a ticket: infra/ci/purchase.py https://{options.host} sign-up""")


def registry_host(registry: dict) -> str:
    """Returns the registry as images name it."""
    return f"registry.digitalocean.com/{registry['name']}"


def dns(options: argparse.Namespace) -> None:
    """Points the host at the Gateway's load balancer."""
    command = ["kubectl", "--namespace", "ticketing", "get", "gateway", "ticketing", "--output", "jsonpath={.status.addresses[0].value}"]
    address = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    if not address:
        raise SystemExit("account.py: the Gateway has no address yet: try again in a few minutes")
    name = "@" if options.host == options.domain else options.host.removesuffix("." + options.domain)
    records = doctl("compute", "domain", "records", "list", options.domain)
    found = [record for record in records if record["type"] == "A" and record["name"] == name]
    if any(record["data"] == address for record in found):
        step("Found", f"{options.host} at {address}")
        return
    step("Pointing", f"{options.host} at {address}")
    fields = ["--record-data", address, "--record-ttl", "300"]
    if found:
        doctl("compute", "domain", "records", "update", options.domain, "--record-id", str(found[0]["id"]), *fields)
    else:
        doctl("compute", "domain", "records", "create", options.domain, "--record-type", "A", "--record-name", name, *fields)


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["create", "dns"])
    parser.add_argument("--host", required=True, help="host of the shop")
    parser.add_argument("--domain", required=True, help="domain that the host is, or is part of")
    parser.add_argument("--region", default="fra1")
    parser.add_argument("--size", default="s-4vcpu-8gb", help="size of the nodes")
    parser.add_argument("--nodes", type=int, default=3, help="MongoDB and NATS need three")
    parser.add_argument("--name", default="ticketing", help="name of the VPC, the cluster and the project")
    parser.add_argument("--registry", help="name of a new registry, unique at DigitalOcean")
    parser.add_argument("--bucket", default="ticketing-backups", help="name of the bucket for backups, unique in the region")
    parser.add_argument("--settings", default=ROOT, help=argparse.SUPPRESS)
    parser.add_argument("--yes", action="store_true", help="do not ask")
    options = parser.parse_args()
    if options.host != options.domain and not options.host.endswith("." + options.domain):
        raise SystemExit(f"account.py: {options.host} is not part of {options.domain}")
    {"create": create, "dns": dns}[options.command](options)


if __name__ == "__main__":
    sys.exit(main())
