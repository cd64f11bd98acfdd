#!/bin/sh
# Starts mongod with access control and the key by which members know each other.
set -eu

# mongod refuses a key that its group can read, as it can every file of a Secret once a volume has fsGroup.
install -m 0400 /keyfile/keyfile /tmp/keyfile
exec mongod --replSet rs0 --bind_ip_all --keyFile /tmp/keyfile --dbpath /data/db --nounixsocket
