#!/usr/bin/env bash
# Restores the marketplace in the cluster of the current kubectl context from a backup: stops the services,
# restores all six databases, deletes the streams, starts the services again, makes replicas consistent with their
# owners, refunds charges made since the backup, and audits the databases. docs/operations.md says what is lost.
#
#   restore.sh [--yes] [BACKUP_NAME]     restores the newest backup by default; asks for confirmation unless --yes
#   restore.sh --list               lists the backups
#   restore.sh --resume             continues a run that ended after the databases were restored
#   restore.sh --back [--force-after-open]
#                                   undoes an unfinished restore: brings the replaced data back
#
# TIMEOUT (default 30m) is the maximum duration of stopping and of starting.
set -euo pipefail

readonly NAMESPACE=${NAMESPACE:-ticketing}
readonly TIMEOUT=${TIMEOUT:-30m}
# The annotation that stores the number of replicas of a Deployment.
readonly COUNT=ticketing/replicas-before-restore

k() { kubectl --namespace "$NAMESPACE" "$@"; }

say() { printf '%12s %s\n' "$1" "$2"; }

die() {
  printf 'restore.sh: %s\n' "$1" >&2
  exit 1
}

operate() { "$(dirname "${BASH_SOURCE[0]}")/ticketctl.sh" "$@"; }

# Sets `services`. Exits if there are none.
list_services() {
  local list
  list=$(k get deployments --selector app.kubernetes.io/component=service --output name) || die 'the cluster does not respond'
  mapfile -t services <<< "$list"
  [[ -n ${services[0]} ]] || die 'found no services'
}

# Autoscalers ignore Deployments with 0 replicas.
stop() {
  local deployment count
  say Stopping 'every service'
  list_services
  for deployment in "${services[@]}"; do
    count=$(k get "$deployment" --output 'jsonpath={.spec.replicas}')
    # 0 if an earlier run stopped it: keep the number that it stored.
    if ((count > 0)); then k annotate --overwrite "$deployment" "$COUNT=$count" > /dev/null; fi
  done
  k scale deployment --selector app.kubernetes.io/component=service --replicas 0 > /dev/null
  # `kubectl wait` fails if there are no pods, so check for remaining ones.
  k wait pod --selector app.kubernetes.io/component=service --for delete --timeout "$TIMEOUT" > /dev/null 2>&1 \
    || [[ -z $(k get pods --selector app.kubernetes.io/component=service --output name) ]] \
    || die "the services did not stop within $TIMEOUT; nothing was restored yet: restore.sh --resume starts them again"
}

# start DEPLOYMENT…: starts them with the number of replicas that each had.
start() {
  local deployment count
  for deployment in "$@"; do
    say Starting "${deployment#*/}"
    count=$(k get "$deployment" --output "jsonpath={.metadata.annotations.${COUNT//./\\.}}")
    k scale "$deployment" --replicas "${count:-1}" > /dev/null
  done
  for deployment in "$@"; do
    k rollout status "$deployment" --timeout "$TIMEOUT" > /dev/null
  done
}

start_all() {
  list_services
  start "${services[@]}"
}

# The stage of the unfinished restore.
stage() { operate restore status | tail -n 1; }

resume() {
  local stage others=() deployment
  stage=$(stage)
  say Stage "$stage"
  case $stage in
    loaded)
      list_services
      for deployment in "${services[@]}"; do
        # Expiration would end the restored holds before payments has looked up which were paid.
        if [[ $deployment != */expiration ]]; then others+=("$deployment"); fi
      done
      start "${others[@]}"
      operate restore settle --yes || die 'not everything is settled: restore.sh --resume tries again'
      ;;
    settled | ending) ;;
    none)
      start_all
      say Started 'the services; no restore is in progress'
      return
      ;;
    *) die 'the databases may be from two points in time, so nothing was started: run restore.sh --back' ;;
  esac
  start_all
  operate restore finish --yes || die 'the audit failed: restore.sh --resume repeats it'
  say Restored 'the shop is open'
}

back() {
  stop
  operate restore rollback --yes "$@" || die 'nothing was started: follow the message above, or run restore.sh --back again'
  start_all
  say 'Rolled back' 'the shop is open with the data from before the restore; see docs/operations.md on resync'
}

restore() {
  local answer name
  operate restore check "$@" | tee "$check_output" || die 'nothing was changed'
  # Restore the backup that was checked, even if a newer one is made meanwhile.
  name=$(sed -n 's/^\(.*\) is whole: .*/\1/p' "$check_output")
  name=${name##*/}
  if [[ $yes == no ]]; then
    read -r -p 'Type "restore" to lose these data and continue: ' answer
    [[ $answer == restore ]] || die 'nothing was changed'
  fi
  stop
  if ! operate restore load --yes "$name"; then
    [[ $(stage) == none ]] || die 'nothing was started: run restore.sh --back once MongoDB responds'
    start_all
    die 'the databases are unchanged; the services run again'
  fi
  resume
}

check_output=$(mktemp)
trap 'rm -f "$check_output"' EXIT
services=()
yes=no
case ${1-} in
  --list) operate backups ;;
  --resume) resume ;;
  --back) shift && back "$@" ;;
  --yes) yes=yes && shift && restore "$@" ;;
  -*) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit 2 ;;
  *) restore "$@" ;;
esac
