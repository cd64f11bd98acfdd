#!/usr/bin/env bash
# Brings the marketplace in the cluster of the current kubectl context back as it was at a backup: stops the
# services, restores all six databases, removes the streams, starts the services again, makes copies equal to
# their owners, gives back what was charged since, and audits the books. docs/operations.md says what is lost.
#
#   restore.sh [--yes] [BACKUP_NAME]     the newest one unless named; asks first, unless --yes
#   restore.sh --list               which there are
#   restore.sh --resume             goes on where a run ended after the databases were restored
#   restore.sh --back [--although-opened]
#                                   brings back what a restore that was not finished has replaced
#
# TIMEOUT (30m unless set) is how long stopping and starting may take.
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

# Sets `services`, or ends this: a shop without services is a cluster that did not answer.
list_services() {
  local list
  list=$(k get deployments --selector app.kubernetes.io/component=service --output name) || die 'the cluster does not answer'
  mapfile -t services <<< "$list"
  [[ -n ${services[0]} ]] || die 'there are no services'
}

# An autoscaler leaves what has no pods alone.
stop() {
  local deployment count
  say Stopping 'every service'
  list_services
  for deployment in "${services[@]}"; do
    count=$(k get "$deployment" --output 'jsonpath={.spec.replicas}')
    # Of a run before this one, which has stopped it.
    if ((count > 0)); then k annotate --overwrite "$deployment" "$COUNT=$count" > /dev/null; fi
  done
  k scale deployment --selector app.kubernetes.io/component=service --replicas 0 > /dev/null
  # Where there is none, kubectl has nothing to wait for, and says so.
  k wait pod --selector app.kubernetes.io/component=service --for delete --timeout "$TIMEOUT" > /dev/null 2>&1 \
    || [[ -z $(k get pods --selector app.kubernetes.io/component=service --output name) ]] \
    || die "services do not stop within $TIMEOUT; nothing was restored yet: restore.sh --resume starts them"
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

start_all() {
  list_services
  start "${services[@]}"
}

# How far the restore got that is not finished.
stage() { operate restore status | tail -n 1; }

resume() {
  local stage others=() deployment
  stage=$(stage)
  say Stage "$stage"
  case $stage in
    loaded)
      list_services
      for deployment in "${services[@]}"; do
        # It would end the holds of that moment before anybody found out what was paid.
        if [[ $deployment != */expiration ]]; then others+=("$deployment"); fi
      done
      start "${others[@]}"
      operate restore settle || die 'not all is settled: restore.sh --resume tries again'
      ;;
    settled | ending) ;;
    none)
      start_all
      say Started 'the services; there is no restore under way'
      return
      ;;
    *) die 'the databases may be of two moments, so nothing was started: restore.sh --back' ;;
  esac
  start_all
  operate restore finish || die 'the books are not right: restore.sh --resume looks again'
  say Restored 'the shop is open'
}

back() {
  stop
  operate restore back "$@" || die 'nothing was started: do what is said above, or run restore.sh --back again'
  start_all
  say Back 'the shop is open, with what the restore had replaced; see docs/operations.md on resync'
}

restore() {
  local answer name
  operate restore check "$@" | tee "$said" || die 'nothing was changed'
  # What was looked at is what is restored, although a newer one may come meanwhile.
  name=$(sed -n 's/^\(.*\) is whole: .*/\1/p' "$said")
  name=${name##*/}
  if [[ $yes == no ]]; then
    read -r -p 'Type "restore" to lose that and go on: ' answer
    [[ $answer == restore ]] || die 'nothing was changed'
  fi
  stop
  if ! operate restore load "$name"; then
    [[ $(stage) == none ]] || die 'nothing was started: restore.sh --back, once MongoDB answers'
    start_all
    die 'the databases are as they were; the services run again'
  fi
  resume
}

said=$(mktemp)
trap 'rm -f "$said"' EXIT
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
