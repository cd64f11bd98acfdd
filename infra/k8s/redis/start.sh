#!/bin/sh
# Starts redis-server. It reads its configuration from standard input, so that no password is among its arguments or in a
# file. The script fails if a password is missing.
set -eu

port='port 6379'
if [ -e /tls/tls.crt ]; then
  port='port 0
tls-port 6379
tls-cert-file /tls/tls.crt
tls-key-file /tls/tls.key
tls-ca-cert-file /tls/ca.crt
tls-auth-clients no'
  # Every hour, make Redis load the certificate again, since it may have been renewed.
  while sleep 3600; do
    redis-cli --tls --cacert /tls/ca.crt config set tls-cert-file /tls/tls.crt tls-key-file /tls/tls.key > /dev/null || true
  done &
fi

# Nothing is persisted. If memory is short, the keys that expire soonest are evicted first: request counters, which expire
# within a minute. The keys of the queue have no expiry, so they are never evicted.
#
# Each service has a user, which may access only the request counters and, for expiration, the queue, apalis' list of all
# queues, and no channels but its own (before Redis 7.0, a new user may access all). The default user, with
# REDIS_PASSWORD, is for probes and people. crates/testkit reads the lines below, too.
exec redis-server - << END
$port
save ""
appendonly no
maxmemory 64mb
maxmemory-policy volatile-ttl
requirepass $REDIS_PASSWORD
user auth on >$REDIS_PASSWORD_AUTH ~ticketing:limit:* +eval +incrby +pttl +pexpire
user tickets on >$REDIS_PASSWORD_TICKETS ~ticketing:limit:* +eval +incrby +pttl +pexpire
user orders on >$REDIS_PASSWORD_ORDERS ~ticketing:limit:* +eval +incrby +pttl +pexpire
user payments on >$REDIS_PASSWORD_PAYMENTS ~ticketing:limit:* +eval +incrby +pttl +pexpire
user expiration on >$REDIS_PASSWORD_EXPIRATION ~ticketing:limit:* ~ticketing:expiration:* ~core:apalis:queues:list resetchannels &ticketing:expiration:* +@all -@admin -@dangerous
user web on >$REDIS_PASSWORD_WEB ~ticketing:limit:* +eval +incrby +pttl +pexpire
END
