#!/bin/sh
# Waits until the member's own name resolves to its address; then starts mongod with access control and the key file
# that authenticates members to each other.
set -eu
trap 'exit 0' TERM INT

# mongod looks for itself among the set's members, by name, only once at startup. If the cluster's DNS has no record
# yet, it considers itself removed from the set, and without other members nothing ever corrects this.
# The name is $POD_NAME.<Service>, as in setup.js; the Service has the StatefulSet's name.
name=$POD_NAME.${POD_NAME%-*}
is_resolved() { getent ahosts "$name" | grep -q "^$POD_IP "; }
if ! is_resolved; then
  echo "start.sh: waiting until $name resolves to $POD_IP"
  # In the background, because a shell handles SIGTERM only while it waits, and a lookup may take long.
  until sleep 1 && is_resolved & wait $!; do :; done
fi
trap - TERM INT

# mongod rejects a key file that its group can read, and fsGroup makes all files of a Secret volume group-readable.
install -m 0400 /keyfile/keyfile /tmp/keyfile
# By default mongod writes modified pages to disk once they are 5 % of its cache. The documents of a purchase change several
# times within seconds, so their pages would be written several times (docs/performance.md). Writing them later loses
# nothing, because every change is in the journal.
set -- --replSet rs0 --bind_ip_all --keyFile /tmp/keyfile --dbpath /data/db --nounixsocket --wiredTigerEngineConfigString \
  eviction_dirty_target=30,eviction_dirty_trigger=50,eviction_updates_target=15,eviction_updates_trigger=25
if [ -e /tls/tls.crt ]; then
  # mongod reads certificate and key from one file. Clients authenticate by password, so they need no certificate.
  (umask 077 && cat /tls/tls.crt /tls/tls.key > /tmp/server.pem)
  set -- "$@" --tlsMode requireTLS --tlsCertificateKeyFile /tmp/server.pem --tlsCAFile /tls/ca.crt \
    --tlsAllowConnectionsWithoutCertificates --tlsDisabledProtocols TLS1_0,TLS1_1
fi
exec mongod "$@"
