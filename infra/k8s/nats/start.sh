#!/bin/sh
# Starts nats-server. With TLS, has it load its certificate again as soon as that has been renewed, which closes no
# connection.
set -eu
if [ -e /tls/tls.crt ]; then
  # nats-server takes the place of this shell.
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
