#!/usr/bin/env bash
# Deploys images to the cluster of the current kubectl context, waits for the rollout of all that it changed, runs a
# smoke test, buys a ticket, and rolls all of it back together if any of this fails.
#
#   deploy.sh IMAGES ADDRESS     IMAGES: the JSON file for render.py
#
# OVERLAY (default infra/k8s-prod) is the folder of manifests to deploy, and TIMEOUT (default 10m) is the maximum
# duration of each rollout. Until the shop has had a certificate once, which takes a DNS record for its host, the script
# says what it waits for, at most CERTIFICATE_WAIT seconds (default 1200), and then succeeds without a smoke test.
# With SMOKE_TEST_PASSWORD, purchase.py buys a ticket; if the shop has live keys, it only holds and releases one.
#
# Unchanged objects keep their pods: the manifests contain nothing that differs between two deployments of the
# same content, such as a run id or a tag in addition to the digest.
#
# Some objects stay in the cluster and have to be deleted manually: those that were removed from the manifests, and after a
# rollback those that the failed deployment created. ConfigMaps of earlier deployments stay too. Their names end in a hash
# of their content, and a workload that is rolled back reads its earlier one.
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

# All that has pods: the services, MongoDB, NATS, Redis and the audit.
workloads() { k get deployments,statefulsets --output name --selector app.kubernetes.io/part-of=ticketing; }

# Objects without revisions. A rollback applies their earlier configuration again.
settings() { k get cronjobs,horizontalpodautoscalers,httproutes,networkpolicies --output name; }

# The revision of the pods: the number of a Deployment's, the name of a StatefulSet's.
revision() {
  if [[ $1 == statefulset* ]]; then
    k get "$1" --output 'jsonpath={.status.updateRevision}'
  else
    k get "$1" --output 'jsonpath={.metadata.annotations.deployment\.kubernetes\.io/revision}'
  fi
}

# Increases with each change of the specification, not of the status.
generation() { k get "$1" --output 'jsonpath={.metadata.generation}'; }

images() { k get "$1" --output 'jsonpath={.spec.template.spec.containers[*].image}'; }

# The file that stores the last applied configuration of an object.
applied() { echo "$scratch/${1//\//-}.json"; }

# The configuration that was last applied to an object. Fails if the object was not created by `kubectl apply`.
last_applied() { k apply view-last-applied "$1" --output json; }

# Rendered before anything is changed, because it fails if an image is not pinned.
"$here/render.py" "$IMAGES" "${OVERLAY:-$here/../k8s-prod}" > "$scratch/manifests.yaml"

# The present state, for a rollback. Empty on the first deployment.
declare -A revisions generations images_before
running=$(workloads)
for workload in $running; do
  revisions[$workload]=$(revision "$workload")
  generations[$workload]=$(generation "$workload")
  images_before[$workload]=$(images "$workload")
  last_applied "$workload" > "$(applied "$workload")" || true
done
configured=$(settings)
for setting in $configured; do last_applied "$setting" > "$(applied "$setting")" || true; done

is_changed() { [[ $(generation "$1") != "${generations[$1]:-}" ]]; }

# Whether the shop waits for its first certificate. Without cert-manager there is none to wait for.
has_no_certificate_yet() {
  local found
  found=$(k get certificates.cert-manager.io ticketing --output 'jsonpath={.metadata.name}:{.status.notAfter}' 2> /dev/null) || return 1
  [[ $found == *: ]]
}

# Waits for the first certificate, and says what for. Fails if the time is over.
await_certificate() {
  local host=${SHOP#*://} address names end=$((SECONDS + ${CERTIFICATE_WAIT:-1200}))
  host=${host%%[:/]*}
  while has_no_certificate_yet; do
    address=$(k get gateway ticketing --output 'jsonpath={.status.addresses[0].value}' 2> /dev/null) || address=
    names=$(getent ahostsv4 "$host" | cut -d ' ' -f 1 | sort -u | paste -s -d ' ') || names=
    if [[ -z $address ]]; then
      echo "deploy.sh: the Gateway has no address yet: its load balancer is being created"
    elif [[ " $names " != *" $address "* ]]; then
      echo "deploy.sh: $host resolves to '$names': create its A record with $address"
    else
      echo "deploy.sh: $host resolves to $address: waiting for its certificate"
    fi
    if ((SECONDS >= end)); then return 1; fi
    sleep "${POLL_INTERVAL:-20}"
  done
}

# Applies the manifests. Succeeds if all rollouts complete, the smoke test passes and a ticket could be bought.
roll_out() {
  local object objects listed
  # Not --server-side: it would report a conflict for an image that `rollout undo` restored, and
  # --force-conflicts would also override legitimate changes by others.
  kubectl apply --filename "$scratch/manifests.yaml" || return 1
  # The services, and of the others what changed: if an unchanged one lacks a pod for another reason, that must not
  # block this deployment.
  objects=$(services) || return 1
  listed=$(workloads) || return 1
  for object in $listed; do
    if [[ $'\n'$objects$'\n' != *$'\n'$object$'\n'* ]] && is_changed "$object"; then objects=$object$'\n'$objects; fi
  done
  for object in $objects; do
    k rollout status "$object" --timeout "${TIMEOUT:-10m}" || return 1
  done
  if ! await_certificate; then
    echo "::warning::The deployment is complete, but $SHOP has no certificate yet, so it was not tested. Run this again later."
    return
  fi
  "$here/smoke.sh" "$SHOP" || return 1
  if [[ -n ${SMOKE_TEST_PASSWORD:-} ]]; then
    "$here/purchase.py" "$SHOP"
  else
    echo '::warning::No ticket was bought: SMOKE_TEST_PASSWORD is not set (docs/production.md).'
  fi
}

# Deletes the pods of a StatefulSet's revision that are not ready: the controller waits for them before it replaces any
# other, also if the revision that it goes back to would start.
delete_stuck_pods() {
  local pod ready
  k get pods --selector "controller-revision-hash=$1" \
    --output 'jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}' \
    | while read -r pod ready; do
      if [[ -n $pod && $ready != True ]]; then k delete pod "$pod" --wait=false; fi
    done
}

# Rolls back all that was changed, together: the services expect the configuration that they were released with. Only a
# store whose image was changed stays as it is, because an older version may be unable to read what a newer one wrote.
roll_back() {
  local setting workload failed=0 now undone=()
  # The settings first, because the earlier pods need their routes and policies as soon as they start.
  for setting in $configured; do
    if [[ ! -s $(applied "$setting") || $(last_applied "$setting") == "$(< "$(applied "$setting")")" ]]; then continue; fi
    echo "deploy.sh: $setting gets its earlier configuration again" >&2
    k apply --filename "$(applied "$setting")" || failed=1
  done
  for workload in "${!revisions[@]}"; do
    now=$(revision "$workload") || failed=1
    # Skip what this deployment did not change: undoing it would restore an even older revision. The status of a
    # StatefulSet names its new revision only after a moment, but undoing none changes nothing.
    if [[ $workload == statefulset* ]]; then
      if ! is_changed "$workload"; then continue; fi
    elif [[ $now == "${revisions[$workload]}" ]]; then
      continue
    fi
    if [[ $workload == statefulset* && $(images "$workload") != "${images_before[$workload]}" ]]; then
      echo "deploy.sh: $workload keeps its new image, because an older version may be unable to read its data" >&2
      continue
    fi
    echo "deploy.sh: rolling $workload back to revision ${revisions[$workload]}" >&2
    undone+=("$workload")
    if [[ $workload == statefulset* ]]; then
      k rollout undo "$workload" --to-revision "$(k get controllerrevision "${revisions[$workload]}" --output 'jsonpath={.revision}')" || failed=1
      if [[ $now != "${revisions[$workload]}" ]]; then delete_stuck_pods "$now" || failed=1; fi
    else
      k rollout undo "$workload" --to-revision "${revisions[$workload]}" || failed=1
    fi
    # The next apply removes the fields that are in this record but not in the manifests. The record of the failed
    # deployment lacks the fields that it removed and the rollback restored, so they would never be removed.
    if [[ -s $(applied "$workload") ]]; then
      k apply set-last-applied --filename "$(applied "$workload")" || failed=1
    fi
  done
  for workload in "${undone[@]}"; do
    k rollout status "$workload" --timeout "${TIMEOUT:-10m}" || failed=1
  done
  return "$failed"
}

if roll_out; then
  echo 'deploy.sh: the deployment succeeded'
  exit 0
fi
if [[ ${#revisions[@]} -eq 0 ]]; then
  echo 'deploy.sh: the first deployment failed, and there is no earlier one to roll back to' >&2
elif roll_back; then
  echo 'deploy.sh: the deployment failed and was rolled back' >&2
else
  echo 'deploy.sh: the deployment failed, and so did the rollback: inspect the cluster' >&2
fi
exit 1
