#!/bin/sh
# Starts mongod with access control and the key by which members know each other, once the member's own name
# leads to it.
set -eu
trap 'exit 0' TERM INT

# mongod looks for itself among the set's members only once, as it starts, by their names. A record that the
# cluster's DNS does not have yet makes it a removed member, and one that is alone is never told otherwise.
# The name is $POD_NAME.<Service>, as in setup.js; the Service has the StatefulSet's name.
name=$POD_NAME.${POD_NAME%-*}
is_known() { getent ahosts "$name" | grep -q "^$POD_IP "; }
if ! is_known; then
  echo "start.sh: waiting until $name leads to $POD_IP"
  # In the background, since a shell hears of SIGTERM only while it waits, and a lookup may take long.
  until sleep 1 && is_known & wait $!; do :; done
fi
trap - TERM INT

# mongod refuses a key that its group can read, as it can every file of a Secret once a volume has fsGroup.
install -m 0400 /keyfile/keyfile /tmp/keyfile
exec mongod --replSet rs0 --bind_ip_all --keyFile /tmp/keyfile --dbpath /data/db --nounixsocket
