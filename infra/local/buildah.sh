#!/usr/bin/env bash
# Builds an image of skaffold's profile `buildah` and pushes it, on a Debian machine without a Docker engine. Requires
# root. Skaffold sets IMAGE and PUSH_IMAGE.
#
#   buildah.sh SERVICE [FOLDER]      FOLDER: services by default
#
# TLS_VERIFY=false allows a registry without TLS.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly SERVICE=${1:?"usage: buildah.sh SERVICE [FOLDER]"}
readonly IMAGE=${IMAGE:?"IMAGE is not set: skaffold runs this script"}
# The storage of infra/docker/build.sh, which has the same base images.
readonly OUT=${IMAGES_DIR:-$PWD/target/images}
# shellcheck source=infra/docker/engine.sh
source infra/docker/engine.sh
# shellcheck source=infra/docker/bases.sh
source infra/docker/bases.sh

bases
buildah --root "$STORAGE" --runroot "$RUNROOT" build \
  --isolation chroot --network host --pull-never --layers \
  --file infra/docker/Dockerfile.development \
  --build-arg SERVICE="$SERVICE" --build-arg FOLDER="${2:-services}" --tag "$IMAGE" .
if [[ ${PUSH_IMAGE:-} == true ]]; then
  buildah --root "$STORAGE" --runroot "$RUNROOT" push --tls-verify="${TLS_VERIFY:-true}" "$IMAGE"
fi
