#!/usr/bin/env bash
# Brings images to the cluster of the current kubectl context, waits until they run, looks at the shop,
# and takes everything back when any of it fails.
#
#   deploy.sh IMAGES ADDRESS     IMAGES: a file that `skaffold build --file-output` could have written
#
# TIMEOUT (10m unless set) is how long each roll-out may take.
set -euo pipefail

readonly IMAGES=${1:?"usage: deploy.sh IMAGES ADDRESS"}
readonly SHOP=${2:?"usage: deploy.sh IMAGES ADDRESS"}
readonly NAMESPACE=ticketing
here=$(dirname "${BASH_SOURCE[0]}")
readonly here

k() { kubectl --namespace "$NAMESPACE" "$@"; }

services() { k get deployments --selector app.kubernetes.io/component=service --output name; }

revision() { k get "$1" --output 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}'; }

# What runs now, to come back to. On the first deployment there is nothing.
declare -A before
running=$(services)
for deployment in $running; do
  before[$deployment]=$(revision "$deployment")
done

# Whether everything is out and the shop answers.
roll_out() {
  local deployment deployments
  skaffold deploy --profile prod --build-artifacts "$IMAGES" --status-check=false || return 1
  deployments=$(services) || return 1
  for deployment in $deployments; do
    k rollout status "$deployment" --timeout "${TIMEOUT:-10m}" || return 1
  done
  "$here/smoke.sh" "$SHOP"
}

roll_back() {
  local deployment failed=0
  for deployment in "${!before[@]}"; do
    # One that the deployment did not get to is as it was: undoing it would bring what was before that.
    if [[ $(revision "$deployment") == "${before[$deployment]}" ]]; then continue; fi
    echo "deploy.sh: $deployment goes back to revision ${before[$deployment]}" >&2
    k rollout undo "$deployment" --to-revision "${before[$deployment]}" || failed=1
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
  echo 'deploy.sh: the deployment failed; what ran before it runs again' >&2
else
  echo 'deploy.sh: the deployment failed, and so did going back: look at the cluster' >&2
fi
exit 1
