#!/usr/bin/env bash
# Runs mongosh as root of MongoDB in the cluster of the current kubectl context, on whichever member is primary:
# interactively, or one script, in which `db` is the database admin. Prints what the script prints, and its last value.
#
#   mongosh.sh
#   mongosh.sh 'db.getSiblingDB("orders").orders.findOne()'
set -euo pipefail

readonly NAMESPACE=${NAMESPACE:-ticketing}
# The container `setup` has the password in its environment, so that it is in no argument of a process, and with TLS the
# options for it. The expressions are JavaScript.
# shellcheck disable=SC2016
readonly LOGIN='const tlsOptions = process.env.MONGODB_OPTIONS ?? "";
const thisMember = new Mongo(`mongodb://localhost/?directConnection=true${tlsOptions}`).getDB("admin");
const setMembers = thisMember.runCommand({ hello: 1 }).hosts.join();
const rootPassword = encodeURIComponent(process.env.MONGODB_ROOT_PASSWORD);
db = new Mongo(`mongodb://root:${rootPassword}@${setMembers}/?replicaSet=rs0${tlsOptions}`).getDB("admin");
'

case $# in
  0) terminal=(--stdin --tty) arguments=(--eval "$LOGIN" --shell) ;;
  1) terminal=() arguments=(--eval "$LOGIN$1") ;;
  *) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit 2 ;;
esac
exec kubectl --namespace "$NAMESPACE" exec "${terminal[@]}" statefulset/mongodb --container setup -- \
  mongosh --quiet --norc --nodb "${arguments[@]}"
