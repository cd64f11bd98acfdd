#!/usr/bin/env bash
# Runs ticketctl in the cluster of the current kubectl context, as a Job that has the backups' disk and the
# passwords; prints what it says, and fails where it fails.
#
#   ticketctl.sh backup
#   ticketctl.sh backups
#   ticketctl.sh audit
#
# `restore` is done by restore.sh, which stops and starts the services as well.
set -euo pipefail

readonly NAMESPACE=${NAMESPACE:-ticketing}

k() { kubectl --namespace "$NAMESPACE" "$@"; }

if (($# == 0)); then
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
  exit 2
fi
# Two at once could undo each other. One whose script was ended goes on.
running=$(k get pods --selector app.kubernetes.io/name=mongodb-restore --output name \
  --field-selector 'status.phase!=Succeeded,status.phase!=Failed')
if [[ -n $running ]]; then
  echo "ticketctl.sh: $running runs: wait until it has ended (kubectl logs --follow $running), or delete its job" >&2
  exit 1
fi
name=ticketctl-$(date +%s)-$RANDOM
args=$(printf ', "%s"' "$@")
k create job "$name" --from cronjob/mongodb-restore --dry-run=client --output json \
  | k patch --local --filename - --type json --output json \
    --patch "[{\"op\": \"replace\", \"path\": \"/spec/template/spec/containers/0/args\", \"value\": [${args#, }]}]" \
  | k create --filename - > /dev/null

# What it ended with is known a moment after its last line.
ended() { [[ $(k get job "$name" --output 'jsonpath={.status.conditions[?(@.status=="True")].type}') =~ Complete|Failed ]]; }

# What is said is shown as it comes, once there is a pod that says something; then what was missed of it.
shown=$(mktemp)
trap 'rm -f "$shown"' EXIT
until k logs --follow "job/$name" 2> /dev/null | tee "$shown" || ended; do
  sleep 1
done
until ended; do
  sleep 0.5
done
k logs "job/$name" | tail --bytes "+$(($(wc --bytes < "$shown") + 1))"
[[ $(k get job "$name" --output 'jsonpath={.status.succeeded}') == 1 ]]
