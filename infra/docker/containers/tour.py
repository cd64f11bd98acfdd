"""The README's tour: the script that signs up, lists, holds and buys, run as it stands."""

import os
import subprocess
import sys
import time
from pathlib import Path

from podman import Failed

# As the test in crates/e2e holds against it.
SAYS = ('"displayName":"Ada"', '"status":"authorized"', '"status":"sold"')
PATIENCE = 60


def script(root: Path) -> str:
    """The block of sh in the README."""
    return (root / "README.md").read_text().split("```sh\n")[1].split("```")[0]


def buy(root: Path, shop: str, curl_home: Path) -> float:
    """Runs the tour once and gives the seconds that it took; an error when it did not buy the ticket."""
    environment = os.environ | {"SHOP": shop, "CURL_HOME": str(curl_home)}
    start = time.monotonic()
    command = ["timeout", str(PATIENCE), "bash", "-c", script(root)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    missing = [words for words in SAYS if words not in done.stdout]
    if done.returncode or missing:
        # It may have tried one thing for a minute.
        complaints = "\n".join(done.stderr.splitlines()[-5:])
        raise Failed(f"the tour ended with {done.returncode}, without {missing}:\n{done.stdout}\n{complaints}")
    return time.monotonic() - start


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: tour.py SHOP CURL_HOME")
    try:
        print(f"a ticket was bought in {buy(Path(__file__).parents[3], sys.argv[1], Path(sys.argv[2])):.1f} s")
    except Failed as failure:
        raise SystemExit(f"tour.py: {failure}") from None
