#!/usr/bin/env bash
# Skaffold runs this after each deployment, when all pods are ready: loads the demo data into an empty shop and prints the
# accounts, once per run of skaffold. After an edit it only prints the address, so that nothing is compiled.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly MARKER=target/local/last-run

if [[ -f $MARKER && $(< "$MARKER") == "${SKAFFOLD_RUN_ID:-}" ]]; then
  echo 'The shop: https://ticketing.localhost:8443'
  exit 0
fi
# Without the demo data the shop works, too.
cargo xtask demo || echo 'deployed.sh: the demo data could not be loaded' >&2
mkdir -p "$(dirname "$MARKER")"
echo "${SKAFFOLD_RUN_ID:-}" > "$MARKER"
