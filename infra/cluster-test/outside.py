"""Plays addresses outside of a local cluster: gives them to the bridge of its nodes and accepts connections there.

    outside.py BRIDGE ADDRESS:PORT…

Prints `listening` once connections are accepted. Ends, and removes the addresses, when its input ends. Needs root.
"""

import contextlib
import socket
import subprocess
import sys
import threading


def accept(listener: socket.socket) -> None:
    """Accepts connections and closes them."""
    while True:
        connection, _ = listener.accept()
        connection.close()


def main() -> None:
    """Adds the addresses, listens until the input ends, and removes them."""
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    bridge, targets = sys.argv[1], [target.rsplit(":", 1) for target in sys.argv[2:]]
    with contextlib.ExitStack() as added:
        for address, port in targets:
            subprocess.run(["ip", "address", "add", f"{address}/32", "dev", bridge], check=True)
            added.callback(subprocess.run, ["ip", "address", "delete", f"{address}/32", "dev", bridge], check=False)
            listener = socket.create_server((address, int(port)))
            threading.Thread(target=accept, args=[listener], daemon=True).start()
        print("listening", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
