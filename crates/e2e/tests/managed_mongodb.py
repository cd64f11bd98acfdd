#!/usr/bin/env python3
"""Runs a service with a mongodb+srv address, with stand-ins for the provider's name server and MongoDB.

    unshare --user --map-root-user --mount --net --pid --fork --kill-child managed_mongodb.py SERVICE MONGOD FOLDER

The namespaces are necessary because the driver takes its name servers from /etc/resolv.conf. FOLDER contains the
certificate of HOST (member.crt and member.key) and of its authority (ca.crt). Succeeds when the service is ready.
"""

import fcntl
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

CLUSTER, HOST = "cluster.provider.test", "member-0.provider.test"
PORT = 27017


def wire(name: str) -> bytes:
    """Returns a name as DNS encodes it."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def text(value: str) -> bytes:
    """Returns a string as DNS encodes it."""
    return bytes([len(value)]) + value.encode()


# By name and type: SRV, TXT, A.
RECORDS = {
    (wire(f"_mongodb._tcp.{CLUSTER}"), 33): struct.pack("!HHH", 0, 0, PORT) + wire(HOST),
    (wire(CLUSTER), 16): text("authSource=admin"),
    (wire(HOST), 1): socket.inet_aton("127.0.0.1"),
}


def answer(query: bytes) -> bytes:
    """Returns the response to a query with one question."""
    end = query.index(b"\0", 12) + 1
    name, kind = query[12:end], struct.unpack("!H", query[end : end + 2])[0]
    data = RECORDS.get((name.lower(), kind))
    known = any(name.lower() == known for known, _ in RECORDS)
    # The flags of an authoritative response. Code 3 means that there is no such name.
    head = query[:2] + struct.pack("!HHHHH", 0x8580 | (0 if known else 3), 1, 0 if data is None else 1, 0, 0)
    # 0xc00c points to the name in the question.
    record = b"" if data is None else struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data
    return head + query[12 : end + 4] + record


def serve_names() -> None:
    """Answers queries until the process ends."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))

    def run() -> None:
        while True:
            query, client = server.recvfrom(4096)
            server.sendto(answer(query), client)

    threading.Thread(target=run, daemon=True).start()


def set_up_network(folder: Path) -> None:
    """Brings up the loopback interface, and makes this process the name server."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        # SIOCSIFFLAGS with IFF_UP.
        fcntl.ioctl(control, 0x8914, struct.pack("16sh", b"lo", 1))
    resolver = folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", resolver, "/etc/resolv.conf"], check=True)
    serve_names()


def is_ready() -> bool:
    """Returns whether the service is ready."""
    try:
        return urllib.request.urlopen("http://127.0.0.1:9091/readyz", timeout=2).status == 200
    except OSError:
        return False


def main() -> int:
    """Starts everything and waits until the service is ready."""
    service, mongod, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    set_up_network(folder)
    (folder / "server.pem").write_text((folder / "member.crt").read_text() + (folder / "member.key").read_text())
    (folder / "db").mkdir()
    command = [mongod, "--dbpath", folder / "db", "--port", str(PORT), "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]
    command += ["--tlsMode", "requireTLS", "--tlsCertificateKeyFile", folder / "server.pem", "--tlsCAFile", folder / "ca.crt"]
    command += ["--tlsAllowConnectionsWithoutCertificates"]
    log = (folder / "log").open("w")
    subprocess.Popen(command, stdout=log, stderr=log)
    environment = {
        "MONGODB_URL": f"mongodb+srv://{CLUSTER}/?tlsCAFile={folder}/ca.crt",
        "NATS_URL": "nats://127.0.0.1:1",
        "PUBLIC_URL": "http://localhost:8080",
    }
    running = subprocess.Popen([service], env=environment, stdout=log, stderr=log)
    end = time.monotonic() + 60
    while time.monotonic() < end and running.poll() is None:
        if is_ready():
            return 0
        time.sleep(0.1)
    print((folder / "log").read_text()[-4000:], file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
