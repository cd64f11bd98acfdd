#!/usr/bin/env bash
# Brings images to the cluster of the current kubectl context, waits until they run, looks at the shop,
# and takes the services back when any of it fails.
#
#   deploy.sh IMAGES ADDRESS     IMAGES: what render.py reads
#
# OVERLAY (infra/k8s-prod unless set) is the folder of manifests to deploy, and TIMEOUT (10m unless set)
# how long each roll-out may take.
#
# What did not change keeps its pods: the manifests say nothing that differs between two deployments, no id of a
# run and no tag beside the digest.
#
# What the manifests no longer have stays in the cluster, and is deleted by hand. So do ConfigMaps of earlier
# deployments: their names end in a hash of their content, and a service that goes back reads the earlier one.
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

# Grows with each change of what is asked for, and not with what becomes of it.
generation() { k get "$1" --output 'jsonpath={.metadata.generation}'; }

# The file that keeps what was last applied to an object.
applied() { echo "$scratch/${1//\//-}.json"; }

# Nothing is touched before everything is known to be pinned.
"$here/render.py" "$IMAGES" "${OVERLAY:-$here/../k8s-prod}" > "$scratch/manifests.yaml"

# What runs now, to come back to. On the first deployment there is nothing.
declare -A before generations
running=$(services)
for deployment in $running; do
  before[$deployment]=$(revision "$deployment")
  # Nothing of one that was not made by apply.
  k apply view-last-applied "$deployment" --output json > "$(applied "$deployment")" || true
done
running=$(stores)
for store in $running; do
  generations[$store]=$(generation "$store")
done

# Whether everything is out and the shop answers.
roll_out() {
  local object objects
  # Not --server-side: there, an image that `rollout undo` has put back is a conflict, and the way out,
  # --force-conflicts, would also override whoever is right.
  kubectl apply --filename "$scratch/manifests.yaml" || return 1
  objects=$(stores) || return 1
  for object in $objects; do
    # One that lacks a pod for another reason does not hold up what has nothing to do with it.
    if [[ $(generation "$object") == "${generations[$object]:-}" ]]; then continue; fi
    k rollout status "$object" --timeout "${TIMEOUT:-10m}" || return 1
  done
  objects=$(services) || return 1
  for object in $objects; do
    k rollout status "$object" --timeout "${TIMEOUT:-10m}" || return 1
  done
  "$here/smoke.sh" "$SHOP"
}

# The services alone. What a store has written with a newer version, an older one may not be able to read.
roll_back() {
  local deployment failed=0
  for deployment in "${!before[@]}"; do
    # One that the deployment did not get to is as it was: undoing it would bring what was before that.
    if [[ $(revision "$deployment") == "${before[$deployment]}" ]]; then continue; fi
    echo "deploy.sh: $deployment goes back to revision ${before[$deployment]}" >&2
    k rollout undo "$deployment" --to-revision "${before[$deployment]}" || failed=1
    # The next apply removes what this record has and the manifests have not. Left as the failed deployment wrote
    # it, the record lacks what that had removed and the undoing has brought back: it would stay for ever.
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
  echo 'deploy.sh: everything runs'
  exit 0
fi
if [[ ${#before[@]} -eq 0 ]]; then
  echo 'deploy.sh: the first deployment failed, and there is none to go back to' >&2
elif roll_back; then
  echo 'deploy.sh: the deployment failed; the services that ran before it run again' >&2
else
  echo 'deploy.sh: the deployment failed, and so did going back: look at the cluster' >&2
fi
exit 1
