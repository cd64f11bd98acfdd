#!/usr/bin/env python3
"""Runs a command, the deployment, in the order of the merges: after those of earlier runs of this workflow, and not if a
later one is deployed already.

    in_order.py             only waits for the earlier runs, for steps that should not be done too early
    in_order.py COMMAND…

GitHub's own concurrency groups cancel all waiting runs but the last, so that a merge behind another looks like a failure.
The number of the last run that was deployed is stored on the namespace.
"""

import json
import os
import subprocess
import sys
import time

NAMESPACE = "ticketing"
ANNOTATION = "ticketing/deployed-run"
# Runs that wait for an approval don't hold up others.
BEFORE_US = ("queued", "requested", "pending", "in_progress")


def output(*command: str) -> str:
    """Returns what a command prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def earlier_runs(number: int) -> list:
    """Returns the numbers of the earlier runs that have not ended."""
    repository, branch = os.environ["GITHUB_REPOSITORY"], os.environ["GITHUB_REF_NAME"]
    workflow = os.environ["GITHUB_WORKFLOW_REF"].partition("@")[0].rpartition("/")[2]
    found = []
    for status in BEFORE_US:
        listed = output("gh", "api", f"repos/{repository}/actions/workflows/{workflow}/runs?branch={branch}&status={status}&per_page=100")
        found += [run["run_number"] for run in json.loads(listed)["workflow_runs"]]
    return sorted(other for other in found if other < number)


def deployed_run() -> int:
    """Returns the number of the last run that was deployed; 0 if there is none."""
    path = "jsonpath={.metadata.annotations." + ANNOTATION.replace(".", "\\.") + "}"
    return int(output("kubectl", "get", "namespace", NAMESPACE, "--ignore-not-found", "--output", path).strip() or 0)


def main() -> int:
    """Waits, runs the command, and stores the number."""
    number = int(os.environ["GITHUB_RUN_NUMBER"])
    while earlier := earlier_runs(number):
        print(f"in_order.py: waiting for the runs {', '.join(map(str, earlier))}", flush=True)
        time.sleep(float(os.environ.get("POLL_INTERVAL", "30")))
    if len(sys.argv) < 2:
        return 0
    if (deployed := deployed_run()) > number:
        print(f"::notice::Run {deployed} of a later merge is deployed already, which contains this one.")
        return 0
    code = subprocess.run(sys.argv[1:], check=False).returncode
    if code == 0:
        output("kubectl", "annotate", "--overwrite", "namespace", NAMESPACE, f"{ANNOTATION}={number}")
    return code


if __name__ == "__main__":
    sys.exit(main())
