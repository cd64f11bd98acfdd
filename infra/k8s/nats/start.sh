#!/bin/sh
# Starts nats-server. With TLS, checks every minute whether the certificate was renewed, and makes nats-server load the new
# one, which closes no connection.
set -eu
if [ -e /tls/tls.crt ]; then
  # nats-server replaces this shell below, so it gets the same process id.
  server=$$
  loaded=$(md5sum < /tls/tls.crt)
  while sleep 60; do
    present=$(md5sum < /tls/tls.crt) || continue
    if [ "$present" != "$loaded" ]; then
      kill -HUP "$server"
      loaded=$present
    fi
  done &
fi
exec nats-server --config /config/nats.conf
