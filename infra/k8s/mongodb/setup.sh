#!/bin/sh
# Runs setup.js, which creates the replica set and its users, until it succeeds; then waits for SIGTERM. Meanwhile it checks
# every minute whether the TLS certificate was renewed, and makes mongod load the new one, which closes no connection.
set -eu
trap 'exit 0' TERM INT

# Only on the first member, which adds the others.
if [ "${POD_NAME##*-}" = 0 ]; then
  until mongosh --quiet --norc --nodb /scripts/setup.js; do
    sleep 2 &
    wait $!
  done
fi
loaded=
while sleep 60 & wait $!; do
  if [ ! -e /tmp/server.pem ]; then continue; fi
  present=$(cat /tls/tls.crt /tls/tls.key | md5sum)
  if [ "$present" != "$loaded" ]; then
    (umask 077 && cat /tls/tls.crt /tls/tls.key > /tmp/renewed.pem)
    mv /tmp/renewed.pem /tmp/server.pem
    if mongosh --quiet --norc --nodb /scripts/rotate.js; then loaded=$present; fi
  fi
done
