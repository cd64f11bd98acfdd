#!/usr/bin/env bash
# Builds the images on a Debian machine without a Docker engine, with buildah in a chroot. Prints the size of each
# layer and the number of crates in each program.
#
#   infra/docker/build.sh [SERVICE…]      builds all eight images by default; requires root
#
# TAG (default latest) is the tag of the images, and FEATURES are features of cargo for the programs, such as
# platform/next-release.
#
# A minimal Debian with the machine's own Rust and Node replaces the base images, under the names that the Dockerfile
# uses, so the Dockerfile is built unchanged. All output is in target/images: the image storage (in which
# infra/cluster-test/servers.py builds too), and a CycloneDX list of crates for each image. Fails if a layer has more
# than 15 MB (compressed).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly LIMIT=15000000
readonly OUT=${IMAGES_DIR:-$PWD/target/images}
export PYTHONDONTWRITEBYTECODE=1
# shellcheck source=infra/docker/engine.sh
source infra/docker/engine.sh
# shellcheck source=infra/docker/bases.sh
source infra/docker/bases.sh

services=("$@")
if [[ ${#services[@]} -eq 0 ]]; then
  services=(auth expiration orders payments tickets web fakestripe ticketctl)
fi

build() {
  local service=$1 folder=services
  if [[ -d crates/$service ]]; then folder=crates; fi
  say Building "ticketing/$service"
  buildah --root "$STORAGE" --runroot "$RUNROOT" build \
    --isolation chroot --network host --pull-never --layers \
    --file infra/docker/Dockerfile \
    --build-arg SERVICE="$service" --build-arg FOLDER="$folder" \
    --build-arg VERSION="$version" --build-arg REVISION="$revision" --build-arg FEATURES="${FEATURES:-}" \
    --tag "ticketing/$service:${TAG:-latest}" . > "$OUT/$service.log" 2>&1 \
    || { tail -n 30 "$OUT/$service.log" >&2; die "building ticketing/$service failed: see $OUT/$service.log"; }
}

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
revision=$(git rev-parse HEAD 2> /dev/null || echo unknown)
bases
# The first build creates the shared layers. Each of the others compiles one crate, so they run in parallel, one per
# CPU.
build "${services[0]}"
for service in "${services[@]:1}"; do
  while (($(jobs -pr | wc -l) >= $(nproc))); do
    wait -n
  done
  build "$service" &
done
while [[ -n $(jobs -p) ]]; do
  wait -n
done
python3 infra/docker/inspect_images.py --limit "$LIMIT" --out "$OUT" --tag "${TAG:-latest}" \
  --storage "$STORAGE" --runroot "$RUNROOT" "${services[@]}"
