#!/bin/sh
# Runs setup.js, which creates the replica set and its users, until it succeeds; then waits for SIGTERM.
set -eu
trap 'exit 0' TERM INT

# Only on the first member, which adds the others.
if [ "${POD_NAME##*-}" = 0 ]; then
  until mongosh --quiet --norc --nodb /scripts/setup.js; do
    sleep 2 &
    wait $!
  done
fi
sleep infinity &
wait $!
