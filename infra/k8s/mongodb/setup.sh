#!/bin/sh
# Makes the replica set and its users as setup.js says, trying until it succeeds; then waits for the end.
set -eu
trap 'exit 0' TERM INT

# Only the first member has to: a set grows from there.
if [ "${POD_NAME##*-}" = 0 ]; then
  until mongosh --quiet --norc --nodb /scripts/setup.js; do
    sleep 2 &
    wait $!
  done
fi
sleep infinity &
wait $!
