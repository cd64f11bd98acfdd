#!/usr/bin/env python3
"""Fills the secret store of the cluster of the current kubectl context: one command for all of the secrets.

    fill_store.py FOLDER

FOLDER, outside of this repository, gets the keys and passwords that `cargo xtask secrets` generates; those that are there
already are kept. Keep the folder somewhere safe: with it the store can be filled again.

What only you know is asked for, or read from these variables:

    STRIPE_KEY, STRIPE_PUBLISHABLE_KEY, STRIPE_WEBHOOK_SECRETS    from Stripe's dashboard
    STRIPE_AUDIT_KEY          a restricted key that may read payment intents and charges; empty: they are not audited
    S3_ACCESS_KEY, S3_SECRET_KEY    of the bucket for the copies of backups

The registry's password comes from `doctl registry docker-config`, or from the file in DOCKER_CONFIG_FILE. No secret is an
argument of a process.
"""

import getpass
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMESPACE = "ticketing-secrets"
# The Secrets whose files `cargo xtask secrets` writes.
GENERATED = ("auth", "tickets", "orders", "payments", "expiration", "web", "jwks", "limits", "mongodb", "nats", "redis")
# Keys in files of their own.
KEYS = {"auth": ("JWT_PRIVATE_KEYS", "keys/jwt.pem"), "orders": ("PASS_PRIVATE_KEYS", "keys/pass.pem")}


def ask(name: str, *, is_optional: bool = False) -> str:
    """Returns a value from the environment or from the person, without showing it."""
    value = os.environ.get(name)
    if value is None and sys.stdin.isatty():
        value = getpass.getpass(f"{name}{' (optional)' if is_optional else ''}: ")
    if not value and not is_optional:
        raise SystemExit(f"fill_store.py: {name} is not set")
    return (value or "").strip()


def read(folder: Path, name: str) -> dict:
    """Returns the values in a generated file."""
    lines = (folder / f"{name}.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def backup_password(folder: Path) -> str:
    """Returns the password of the backups' copies, which is generated once."""
    file = folder / "keys/backup.password"
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            opened.write(secrets.token_hex(32))
    return file.read_text().strip()


def registry_password() -> str:
    """Returns the configuration of Docker for the registry."""
    if file := os.environ.get("DOCKER_CONFIG_FILE"):
        return Path(file).read_text()
    return subprocess.run(["doctl", "registry", "docker-config"], check=True, stdout=subprocess.PIPE, text=True).stdout


def entries(folder: Path) -> dict:
    """Returns all entries of the store."""
    found = {name: read(folder, name) for name in GENERATED}
    for name, (key, file) in KEYS.items():
        found[name][key] = (folder / file).read_text()
    found["payments"] |= {"STRIPE_KEY": ask("STRIPE_KEY"), "STRIPE_WEBHOOK_SECRETS": ask("STRIPE_WEBHOOK_SECRETS")}
    found["web"]["STRIPE_PUBLISHABLE_KEY"] = ask("STRIPE_PUBLISHABLE_KEY")
    if audit := ask("STRIPE_AUDIT_KEY", is_optional=True):
        found["mongodb-audit"] = {"STRIPE_KEY": audit}
    found["mongodb-offsite"] = {name: ask(name) for name in ("S3_ACCESS_KEY", "S3_SECRET_KEY")}
    found["mongodb-offsite"]["BACKUP_PASSWORD"] = backup_password(folder)
    config = registry_password()
    if "auths" not in json.loads(config):
        raise SystemExit("fill_store.py: the registry's configuration has no passwords (auths)")
    found["registry"] = {"dockerconfigjson": config}
    return found


def kubectl(*arguments: str, text: str | None = None) -> str:
    """Runs kubectl with a text as its input, and returns what it prints."""
    return subprocess.run(["kubectl", *arguments], input=text, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Generates, asks, and stores."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1]).resolve()
    if folder.is_relative_to(ROOT):
        raise SystemExit("fill_store.py: the folder must be outside of this repository")
    stored = kubectl("get", "secrets", "--namespace", NAMESPACE, "--ignore-not-found", "--output", "name")
    if "secret/ticketing-mongodb" in stored.split() and not (folder / "mongodb.env").exists():
        raise SystemExit("fill_store.py: the store is filled, and new passwords would lock everything out of the databases: give the folder that it was filled from")
    generate = ["cargo", "xtask", "secrets", "--out", str(folder), "--mongodb-members", "3"]
    subprocess.run(generate, cwd=ROOT, check=True)
    objects = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": f"ticketing-{name}", "namespace": NAMESPACE},
            "stringData": values,
        }
        for name, values in entries(folder).items()
    ]
    # On the server's side, because kubectl would store a copy of the values in an annotation.
    apply = ("apply", "--server-side", "--force-conflicts", "--filename")
    kubectl(*apply, str(Path(__file__).parent / "secret-store.yaml"))
    kubectl(*apply, "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    count = sum(len(item["stringData"]) for item in objects)
    print(f"Stored {count} values in {len(objects)} entries. Keep {folder} safe, and outside of the cluster.")


if __name__ == "__main__":
    main()
