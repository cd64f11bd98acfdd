#!/usr/bin/env bash
# Deploys images to the cluster of the current kubectl context, waits for the rollouts, runs a smoke test, and
# rolls the services back if any of this fails.
#
#   deploy.sh IMAGES ADDRESS     IMAGES: the JSON file for render.py
#
# OVERLAY (default infra/k8s-prod) is the folder of manifests to deploy, and TIMEOUT (default 10m) is the maximum
# duration of each rollout.
#
# Unchanged objects keep their pods: the manifests contain nothing that differs between two deployments of the
# same content, such as a run id or a tag in addition to the digest.
#
# Objects that were removed from the manifests stay in the cluster and have to be deleted manually. ConfigMaps of
# earlier deployments stay too: their names end in a hash of their content, and a rolled-back service reads its
# earlier one.
set -euo pipefail

readonly IMAGES=${1:?"usage: deploy.sh IMAGES ADDRESS"}
readonly SHOP=${2:?"usage: deploy.sh IMAGES ADDRESS"}
readonly NAMESPACE=ticketing
here=$(dirname "${BASH_SOURCE[0]}")
readonly here
scratch=$(mktemp -d)
readonly scratch
trap 'rm -rf "$scratch"' EXIT

k() { kubectl --namespace "$NAMESPACE" "$@"; }

services() { k get deployments --selector app.kubernetes.io/component=service --output name; }

# MongoDB, NATS and Redis.
stores() {
  k get statefulsets,deployments --output name \
    --selector 'app.kubernetes.io/part-of=ticketing,app.kubernetes.io/component!=service'
}

revision() { k get "$1" --output 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}'; }

# Increases with each change of the specification, not of the status.
generation() { k get "$1" --output 'jsonpath={.metadata.generation}'; }

# The file that stores the last applied configuration of an object.
applied() { echo "$scratch/${1//\//-}.json"; }

# Rendered before anything is changed, because it fails if an image is not pinned.
"$here/render.py" "$IMAGES" "${OVERLAY:-$here/../k8s-prod}" > "$scratch/manifests.yaml"

# The present state, for a rollback. Empty on the first deployment.
declare -A before generations
running=$(services)
for deployment in $running; do
  before[$deployment]=$(revision "$deployment")
  # Fails for an object that was not created by `kubectl apply`.
  k apply view-last-applied "$deployment" --output json > "$(applied "$deployment")" || true
done
running=$(stores)
for store in $running; do
  generations[$store]=$(generation "$store")
done

# Applies the manifests. Succeeds if all rollouts complete and the smoke test passes.
roll_out() {
  local object objects
  # Not --server-side: it would report a conflict for an image that `rollout undo` restored, and
  # --force-conflicts would also override legitimate changes by others.
  kubectl apply --filename "$scratch/manifests.yaml" || return 1
  objects=$(stores) || return 1
  for object in $objects; do
    # Skip unchanged stores: if one lacks a pod for another reason, that must not block this deployment.
    if [[ $(generation "$object") == "${generations[$object]:-}" ]]; then continue; fi
    k rollout status "$object" --timeout "${TIMEOUT:-10m}" || return 1
  done
  objects=$(services) || return 1
  for object in $objects; do
    k rollout status "$object" --timeout "${TIMEOUT:-10m}" || return 1
  done
  "$here/smoke.sh" "$SHOP"
}

# Rolls back the services only: an older version of a store may be unable to read data that a newer one wrote.
roll_back() {
  local deployment failed=0
  for deployment in "${!before[@]}"; do
    # Skip a service that was not changed by this deployment: undoing it would restore an even older revision.
    if [[ $(revision "$deployment") == "${before[$deployment]}" ]]; then continue; fi
    echo "deploy.sh: rolling $deployment back to revision ${before[$deployment]}" >&2
    k rollout undo "$deployment" --to-revision "${before[$deployment]}" || failed=1
    # The next apply removes the fields that are in this record but not in the manifests. The record of the failed
    # deployment lacks the fields that it removed and the rollback restored, so they would never be removed.
    if [[ -s $(applied "$deployment") ]]; then
      k apply set-last-applied --filename "$(applied "$deployment")" || failed=1
    fi
  done
  for deployment in "${!before[@]}"; do
    k rollout status "$deployment" --timeout "${TIMEOUT:-10m}" || failed=1
  done
  return "$failed"
}

if roll_out; then
  echo 'deploy.sh: the deployment succeeded'
  exit 0
fi
if [[ ${#before[@]} -eq 0 ]]; then
  echo 'deploy.sh: the first deployment failed, and there is no earlier one to roll back to' >&2
elif roll_back; then
  echo 'deploy.sh: the deployment failed; the services were rolled back' >&2
else
  echo 'deploy.sh: the deployment failed, and so did the rollback: inspect the cluster' >&2
fi
exit 1
