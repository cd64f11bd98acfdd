#!/usr/bin/env bash
# Brings the marketplace in the cluster of the current kubectl context back as it was at a backup: stops the
# services, restores all six databases, removes the streams, starts the services again, makes copies equal to
# their owners, gives back what was charged since, and audits the books. docs/operations.md says what is lost.
#
#   restore.sh [--yes] [BACKUP]     the newest one unless named; asks first, unless --yes
#   restore.sh --list               which there are
#   restore.sh --resume             goes on where a run ended after the databases were restored
#   restore.sh --back               brings back what a restore that was not finished has replaced
#
# TIMEOUT (30m unless set) is how long each step may take.
set -euo pipefail

readonly NAMESPACE=${NAMESPACE:-ticketing}
readonly TIMEOUT=${TIMEOUT:-30m}
# Where a Deployment keeps how many pods it had.
readonly COUNT=ticketing/replicas-before-restore

k() { kubectl --namespace "$NAMESPACE" "$@"; }

say() { printf '%12s %s\n' "$1" "$2"; }

die() {
  printf 'restore.sh: %s\n' "$1" >&2
  exit 1
}

operate() { "$(dirname "${BASH_SOURCE[0]}")/ticketctl.sh" "$@"; }

services() { k get deployments --selector app.kubernetes.io/component=service --output name; }

# An autoscaler leaves what has no pods alone.
stop() {
  local deployment count
  say Stopping 'every service'
  for deployment in $(services); do
    count=$(k get "$deployment" --output 'jsonpath={.spec.replicas}')
    # Of a run before this one, which has stopped it.
    if ((count > 0)); then k annotate --overwrite "$deployment" "$COUNT=$count" > /dev/null; fi
  done
  k scale deployment --selector app.kubernetes.io/component=service --replicas 0 > /dev/null
  k wait pod --selector app.kubernetes.io/component=service --for delete --timeout "$TIMEOUT" > /dev/null
}

# start DEPLOYMENT…: with as many pods as each had.
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

# all_but NAME: the services without this one.
all_but() { services | grep --invert-match "/$1\$"; }

resume() {
  # Without expiration, which would end the holds of that moment before anybody found out what was paid.
  mapfile -t others < <(all_but expiration)
  start "${others[@]}"
  operate restore settle || die 'what was paid since is not settled yet: restore.sh --resume, or restore.sh --back'
  start "deployment.apps/expiration"
  operate restore finish || die 'the books are not right: restore.sh --resume once they are, or restore.sh --back'
  say Restored 'the shop is open'
}

back() {
  stop
  operate restore back || die 'taking the restore back failed: run restore.sh --back again'
  mapfile -t all < <(services)
  start "${all[@]}"
  say Back 'the shop is open, with what the restore had replaced; see docs/operations.md on resync'
}

restore() {
  local backup=("$@") answer
  operate restore check "${backup[@]}" || die 'nothing was changed'
  if [[ $yes == no ]]; then
    read -r -p 'Type "restore" to lose that and go on: ' answer
    [[ $answer == restore ]] || die 'nothing was changed'
  fi
  stop
  if ! operate restore load "${backup[@]}"; then
    mapfile -t all < <(services)
    start "${all[@]}"
    die 'the databases are as they were; the services run again'
  fi
  resume
}

yes=no
case ${1-} in
  --list) operate backups ;;
  --resume) resume ;;
  --back) back ;;
  --yes) yes=yes && shift && restore "$@" ;;
  -*) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit 2 ;;
  *) restore "$@" ;;
esac
