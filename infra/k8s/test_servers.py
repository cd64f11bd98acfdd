#!/usr/bin/env python3
"""Tests of the scripts that start and probe MongoDB, NATS and Redis, with the real servers, with and without TLS.

A server that is neither on PATH nor in .tools/ (where `cargo xtask up` installs it) is skipped.
"""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path

INFRA = Path(__file__).parent.parent
SERVICES = ("AUTH", "TICKETS", "ORDERS", "PAYMENTS", "EXPIRATION", "WEB")


def find(program: str) -> str | None:
    """Returns the path of a server."""
    installed = sorted(INFRA.parent.glob(f".tools/*/{program}"))
    return shutil.which(program) or (str(installed[-1]) if installed else None)


def free_port() -> int:
    """Returns a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def commands() -> str:
    """Returns the command lines of all processes, one a line."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            # It has ended.
            continue
    return "\n".join(found)


def kill_group(leader: int) -> None:
    """Kills a server and what its script started."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        pass


def has_tls(redis: str) -> bool:
    """Returns whether this redis-server was built with TLS."""
    done = subprocess.run([redis, "-"], input="port 0\ntls-port 0\nunknown", capture_output=True, text=True, check=False)
    return "tls-port" not in done.stdout + done.stderr


class Server(unittest.TestCase):
    """What the tests of all servers share."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.scratch = Path(scratch.name)
        (self.scratch / "bin").mkdir()
        self.environment = os.environ | {"PATH": f"{self.scratch}/bin:{os.environ['PATH']}"}

    def provide(self, program: str) -> None:
        """Puts a server on PATH under its own name, or skips the test."""
        path = find(program)
        if path is None:
            self.skipTest(f"{program} is not installed")
        (self.scratch / "bin" / program).symlink_to(path)

    def copy(self, path: str, changes: dict[str, str]) -> str:
        """Copies a file of infra/ with texts replaced, and returns the copy."""
        pattern = "|".join(re.escape(old) for old in sorted(changes, key=len, reverse=True))
        copy = self.scratch / Path(path).name
        copy.write_text(re.sub(pattern, lambda match: changes[match.group()], (INFRA / path).read_text()))
        return str(copy)

    def start(self, *command: str) -> subprocess.Popen:
        """Starts a server, which is killed at the end of the test together with what it started."""
        log = (self.scratch / "log").open("w")
        self.addCleanup(log.close)
        server = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log, start_new_session=True)
        self.addCleanup(server.wait)
        self.addCleanup(kill_group, server.pid)
        return server

    def eventually(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        """Waits until the condition holds."""
        end = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), end, (self.scratch / "log").read_text()[-2000:])
            time.sleep(0.05)

    def issue(self, serial: int) -> None:
        """Writes a certificate for localhost with this serial number, and its authority if there is none yet."""
        folder = self.scratch / "tls"
        folder.mkdir(exist_ok=True)

        def openssl(*arguments: str) -> None:
            subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        if not (folder / "ca.crt").exists():
            openssl("req", "-x509", *key, "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.crt")
        (folder / "names").write_text("subjectAltName = DNS:localhost, IP:127.0.0.1\n")
        openssl("req", "-new", *key, "-subj", "/CN=server", "-keyout", "new.key", "-out", "new.csr")
        authority = ["-CA", "ca.crt", "-CAkey", "ca.key", "-set_serial", str(serial)]
        openssl("x509", "-req", "-in", "new.csr", *authority, "-extfile", "names", "-out", "new.crt")
        (folder / "new.key").rename(folder / "tls.key")
        (folder / "new.crt").rename(folder / "tls.crt")

    def serial(self, port: int, *, greeting: bool = False) -> int | None:
        """Returns the serial number of the certificate that a server presents. `greeting`: the server speaks first."""
        try:
            if not (self.scratch / "tls/ca.crt").exists():
                return None
            with socket.create_connection(("127.0.0.1", port), timeout=2) as plain:
                if greeting:
                    plain.recv(4096)
                context = ssl.create_default_context(cafile=str(self.scratch / "tls/ca.crt"))
                with context.wrap_socket(plain, server_hostname="localhost") as secure:
                    return int(secure.getpeercert()["serialNumber"], 16)
        except OSError:
            return None


class Redis(Server):
    """infra/k8s/redis."""

    def start_redis(self, changes: dict[str, str]) -> int:
        """Starts Redis with a password for each user, and returns its port."""
        self.provide("redis-server")
        port = free_port()
        self.environment |= {f"REDIS_PASSWORD_{name}": f"secret-{name}" for name in SERVICES}
        self.environment |= {"REDIS_PASSWORD": "secret-word", "REDISCLI_AUTH": "secret-word"}
        self.here = {"6379": str(port), "redis-cli": f"redis-cli -p {port}", "/tls/": f"{self.scratch}/tls/"}
        self.server = self.start("sh", self.copy("k8s/redis/start.sh", self.here | changes))
        return port

    def ask(self, port: int, *lines: str) -> list:
        """Returns the responses to these commands; none if Redis does not listen yet."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection, connection.makefile("rw", newline="\r\n") as stream:
                stream.write("".join(f"{line}\r\n" for line in lines))
                stream.flush()
                return [stream.readline().strip() for _ in lines]
        except OSError:
            return []

    def test_passwords_are_required_and_no_argument(self) -> None:
        port = self.start_redis({})
        self.eventually(lambda: self.ask(port, "PING") != [])
        self.assertIn("NOAUTH", self.ask(port, "PING")[0])
        self.assertEqual(self.ask(port, "AUTH secret-word", "PING"), ["+OK", "+PONG"])
        allowed, refused = "EVAL return(1) 0", "GET ticketing:limit:x"
        responses = self.ask(port, "AUTH web secret-WEB", allowed, refused)
        self.assertEqual(responses[:2], ["+OK", ":1"])
        self.assertIn("NOPERM", responses[2])
        arguments = Path(f"/proc/{self.server.pid}/cmdline").read_text()
        self.assertIn("redis-server", arguments)
        self.assertNotIn("secret", arguments)

    def test_missing_password_ends_it(self) -> None:
        self.start_redis({"$REDIS_PASSWORD_WEB": "$REDIS_PASSWORD_NOBODY"})
        self.assertNotEqual(self.server.wait(timeout=10), 0)

    def test_renewed_certificate_is_loaded(self) -> None:
        self.provide("redis-cli")
        server = find("redis-server")
        if server is None or not has_tls(server):
            self.skipTest("redis-server has no TLS")
        self.issue(1)
        port = self.start_redis({"sleep 3600": "sleep 0.1"})
        self.eventually(lambda: self.serial(port) == 1)
        self.assertNotIn("PONG", str(self.ask(port, "AUTH secret-word", "PING")), "without TLS")
        ping = ["sh", self.copy("k8s/redis/ping.sh", self.here)]
        self.assertEqual(subprocess.run(ping, env=self.environment, check=False).returncode, 0)
        self.issue(2)
        self.eventually(lambda: self.serial(port) == 2)


class Nats(Server):
    """infra/k8s/nats, and the cluster's part in infra/k8s-prod."""

    def greeting(self, port: int) -> bytes:
        """Returns the first message of a server; nothing if it does not listen yet."""
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
                return connection.recv(4096)
        except OSError:
            return b""

    def test_cluster_with_tls_loads_a_renewed_certificate(self) -> None:
        self.provide("nats-server")
        self.issue(1)
        port, monitor, routes = free_port(), free_port(), free_port()
        here = {"/data": f"{self.scratch}/data", "0.0.0.0:4222": f"127.0.0.1:{port}", "0.0.0.0:8222": f"127.0.0.1:{monitor}"}
        here |= {"0.0.0.0:6222": f"127.0.0.1:{routes}", "/tls/": f"{self.scratch}/tls/"}
        for file in ("k8s/nats/nats.conf", "k8s/nats/users.conf", "k8s-prod/cluster.conf", "k8s-prod/tls/tls.conf"):
            self.copy(file, here)
        self.environment |= {f"NATS_PASSWORD_{name}": "p0" for name in (*SERVICES, "AUDIT", "OPERATOR", "ROUTES")}
        self.environment |= {"POD_NAME": "nats-0", "MAX_FILE_STORE": "1GiB"}
        # Nothing listens at the other servers' addresses.
        self.environment |= {f"ROUTE_{index}": f"nats://routes:p0@localhost:{routes + index}" for index in range(3)}
        server = self.start("sh", self.copy("k8s/nats/start.sh", here | {"/config/": f"{self.scratch}/", "sleep 60": "sleep 0.1"}))
        self.eventually(lambda: self.serial(port, greeting=True) == 1)
        self.assertIn(b'"tls_required":true', self.greeting(port))
        self.assertNotIn("p0", Path(f"/proc/{server.pid}/cmdline").read_text())
        # For a moment there is no file.
        (self.scratch / "tls/tls.crt").unlink()
        self.eventually(lambda: f"{self.scratch}/tls/tls.crt" in (self.scratch / "log").read_text())
        self.issue(2)
        self.eventually(lambda: self.serial(port, greeting=True) == 2)

    def test_single_server_without_tls(self) -> None:
        self.provide("nats-server")
        port, monitor = free_port(), free_port()
        here = {"/data": f"{self.scratch}/data", "0.0.0.0:4222": f"127.0.0.1:{port}", "0.0.0.0:8222": f"127.0.0.1:{monitor}"}
        for file in ("nats.conf", "users.conf", "cluster.conf", "tls.conf"):
            self.copy(f"k8s/nats/{file}", here)
        self.environment |= {f"NATS_PASSWORD_{name}": "p0" for name in (*SERVICES, "AUDIT", "OPERATOR")}
        self.environment |= {"POD_NAME": "nats-0", "MAX_FILE_STORE": "1GiB"}
        self.start("sh", self.copy("k8s/nats/start.sh", {"/config/": f"{self.scratch}/", "/tls/": f"{self.scratch}/tls/"}))
        self.eventually(lambda: self.greeting(port) != b"")
        self.assertIn(b'"jetstream":true', self.greeting(port))
        self.assertNotIn(b"tls_required", self.greeting(port))


class Mongodb(Server):
    """infra/k8s/mongodb. mongosh, which setup.js and rotate.js need, is too large for this."""

    def probe(self, *, has_certificate: bool) -> None:
        """Starts mongod and probes it."""
        self.provide("mongod")
        port = free_port()
        (self.scratch / "db").mkdir()
        (self.scratch / "keyfile").write_text("a" * 32)
        # The key file is copied.
        here = {"/tls/": f"{self.scratch}/tls/", "/tmp/": f"{self.scratch}/", "/tmp/keyfile": f"{self.scratch}/copy"}
        here |= {"/keyfile/keyfile": f"{self.scratch}/keyfile", "/data/db": f"{self.scratch}/db"}
        here |= {"--bind_ip_all": f"--port {port} --bind_ip 127.0.0.1 --wiredTigerCacheSizeGB 0.25"}
        here |= {"$POD_NAME.${POD_NAME%-*}": "localhost"}
        self.environment |= {"POD_NAME": "a-0", "POD_IP": "127.0.0.1", "MONGODB_PORT": str(port)}
        probe = self.copy("k8s/mongodb/probe.sh", here)
        self.start("sh", self.copy("k8s/mongodb/start.sh", here))

        def run(kind: str) -> int:
            return subprocess.run(["bash", probe, kind], env=self.environment, capture_output=True, check=False).returncode

        self.eventually(lambda: run("answers") == 0, 60)
        self.assertEqual((run("live"), run("ready")), (0, 1), "it is in no set yet")
        self.assertEqual(self.serial(port), 1 if has_certificate else None)
        self.eventually(lambda: f"s_client -quiet -connect 127.0.0.1:{port}" not in commands(), 2)

    def test_probes_with_tls(self) -> None:
        self.issue(1)
        self.probe(has_certificate=True)

    def test_probes_without_tls(self) -> None:
        self.probe(has_certificate=False)


if __name__ == "__main__":
    unittest.main()
