#!/bin/sh
# Succeeds if Redis responds to PING. While it loads, or if the password is wrong, the reply is an error instead of PONG.
# redis-cli reads the password from REDISCLI_AUTH.
if [ -e /tls/ca.crt ]; then set -- --tls --cacert /tls/ca.crt; fi
test "$(timeout 2 redis-cli "$@" ping)" = PONG
