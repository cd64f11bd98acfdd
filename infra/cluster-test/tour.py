"""Runs the README's tour unchanged against a shop: the script that signs up, lists a ticket, holds it and buys it.

`cargo xtask cluster-test` runs it through the Gateway, with a folder whose .curlrc leads curl there.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

# Must be in the script's output, as in the test in crates/e2e.
EXPECTED = ('"displayName":"Ada"', '"status":"authorized"', '"status":"sold"')
TIMEOUT_SECONDS = 60


class Failed(Exception):
    """The tour did not buy a ticket."""


def script(root: Path) -> str:
    """Returns the `sh` block of the README."""
    return (root / "README.md").read_text().split("```sh\n")[1].split("```")[0]


def buy(root: Path, shop: str, curl_home: Path) -> float:
    """Runs the tour once and returns its duration in seconds. Raises an error if it did not buy the ticket."""
    environment = os.environ | {"SHOP": shop, "CURL_HOME": str(curl_home)}
    start = time.monotonic()
    command = ["timeout", str(TIMEOUT_SECONDS), "bash", "-c", script(root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    missing = [words for words in EXPECTED if words not in done.stdout]
    if done.returncode or missing:
        # Only the last lines: the script may have retried one command for a minute.
        complaints = "\n".join(done.stderr.splitlines()[-5:])
        raise Failed(f"the tour exited with {done.returncode}, without {missing} in its output:\n{done.stdout}\n{complaints}")
    return time.monotonic() - start


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: tour.py SHOP CURL_HOME")
    try:
        print(f"a ticket was bought in {buy(Path(__file__).parents[2], sys.argv[1], Path(sys.argv[2])):.1f} s")
    except Failed as failure:
        raise SystemExit(f"tour.py: {failure}") from None
