#!/usr/bin/env bash
# Starts the images of build.sh as infra/k8s-dev describes, with podman and without a cluster. Buys tickets while
# every service pod is replaced, restarts the servers, and stops everything with SIGTERM. The last line is a summary;
# the exit code is 0 only if every step succeeded.
#
#   infra/docker/run.sh      as root; creates the secrets of infra/k8s-dev if they do not exist
#
# containers/__main__.py describes which functions of a cluster this covers.
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

[[ $EUID -eq 0 ]] || die 'run this as root: podman creates networks, and folders of other users'
for program in podman runc buildah curl openssl python3; do
  command -v "$program" > /dev/null || die "$program is not installed: apt-get install podman runc buildah netavark aardvark-dns curl openssl"
done

# kubectl and PyYAML, in the versions that check the manifests.
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
