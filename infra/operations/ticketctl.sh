#!/usr/bin/env bash
# Runs ticketctl in the cluster of the current kubectl context, as a Job with the backup volume and the passwords.
# Prints its output, and ends with its exit code (`ticketctl --help` lists them). A command that would ask says what it
# will do and ends with 4; run it again with --yes.
#
#   ticketctl.sh dead-letters list
#   ticketctl.sh dead-letters replay 7 8 --yes
#   ticketctl.sh resync tickets
#   ticketctl.sh rebuild web
#   ticketctl.sh backup
#   ticketctl.sh backups
#   ticketctl.sh audit
#   ticketctl.sh follow 01970000-0000-7000-8000-000000000001
#
# To restore, use restore.sh, which also stops and starts the services.
set -euo pipefail

readonly NAMESPACE=${NAMESPACE:-ticketing}

k() { kubectl --namespace "$NAMESPACE" "$@"; }

if (($# == 0)); then
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
  exit 2
fi
# Two at once could undo each other. A Job keeps running if its script is interrupted.
running=$(k get pods --selector app.kubernetes.io/name=mongodb-restore --output name \
  --field-selector 'status.phase!=Succeeded,status.phase!=Failed')
if [[ -n $running ]]; then
  echo "ticketctl.sh: $running is still running: wait until it ends (kubectl logs --follow $running), or delete its Job" >&2
  exit 1
fi
name=ticketctl-$(date +%s)-$RANDOM
args=$(printf ', "%s"' "$@")
k create job "$name" --from cronjob/mongodb-restore --dry-run=client --output json \
  | k patch --local --filename - --type json --output json \
    --patch "[{\"op\": \"replace\", \"path\": \"/spec/template/spec/containers/0/args\", \"value\": [${args#, }]}]" \
  | k create --filename - > /dev/null

# The Job's result is known shortly after the last line of its log.
ended() { [[ $(k get job "$name" --output 'jsonpath={.status.conditions[?(@.status=="True")].type}') =~ Complete|Failed ]]; }

# Follow the log once the pod has started; then print the rest, in case following missed some of it.
shown=$(mktemp)
trap 'rm -f "$shown"' EXIT
until k logs --follow "job/$name" 2> /dev/null | tee "$shown" || ended; do
  sleep 1
done
until ended; do
  sleep 0.5
done
k logs "job/$name" | tail --bytes "+$(($(wc --bytes < "$shown") + 1))"
if [[ $(k get job "$name" --output 'jsonpath={.status.succeeded}') == 1 ]]; then exit 0; fi
# Empty if the Job ended for another reason, such as its deadline.
code=$(k get pods --selector "batch.kubernetes.io/job-name=$name" \
  --output 'jsonpath={.items[0].status.containerStatuses[0].state.terminated.exitCode}' || true)
exit "${code:-1}"
