#!/usr/bin/env bash
# Starts the images that build.sh made as infra/k8s-dev says, by podman and without a cluster; buys
# tickets through them while every pod of a service is replaced, restarts the servers, and ends it all
# by SIGTERM. The last line tells what was seen; the exit code is 0 only when all of it went well.
#
#   infra/docker/run.sh      as root; the secrets of dev are made where there are none
#
# containers/__main__.py says what of a cluster this does and what not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly OUT=${IMAGES_DIR:-$PWD/target/images}
export PYTHONDONTWRITEBYTECODE=1
# shellcheck source=infra/docker/engine.sh
source infra/docker/engine.sh

die() {
  printf 'run.sh: %s\n' "$1" >&2
  exit 1
}

[[ $EUID -eq 0 ]] || die 'run this as root: podman makes networks and folders of other users'
for program in podman runc buildah curl openssl python3; do
  command -v "$program" > /dev/null || die "$program is not there: apt-get install podman runc buildah netavark aardvark-dns curl openssl"
done

# kubectl and PyYAML: those with which the manifests are checked.
readonly REQUIREMENTS=infra/dev/requirements-infra.txt
tools=$OUT/python-$(sha256sum "$REQUIREMENTS" | cut -c 1-16)
readonly tools
if [[ ! -f $tools/installed ]]; then
  rm -rf "$tools"
  python3 -m venv "$tools"
  "$tools/bin/pip" install --quiet --disable-pip-version-check --require-hashes --requirement "$REQUIREMENTS"
  touch "$tools/installed"
fi

if [[ ! -d infra/k8s-dev/secrets ]]; then cargo xtask secrets; fi

exec "$tools/bin/python" infra/docker/containers \
  --root "$PWD" --out "$OUT" --storage "$STORAGE" --runroot "$RUNROOT" --kubectl "$tools/bin/kubectl"
