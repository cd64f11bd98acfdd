#!/bin/bash
# The databases as they were at the moment of a backup: the latest one, or the one in the folder /backup
# that ARCHIVE names. docs/operations.md says what has to be done before and afterwards.
set -euo pipefail
archive=/backup/${ARCHIVE:-$(cd /backup && find . -name '*.archive' | sort | tail -n 1)}
[[ -s $archive && -f $archive ]] || { echo "there is no backup $archive" >&2; exit 1; }
echo "restoring $archive"
databases=(auth tickets orders payments expiration web)
# Also what came to be after the backup: the six are of one moment. The shell reads this by itself, so that
# the password is in no list of processes.
# shellcheck disable=SC2016
DATABASES="${databases[*]}" mongosh --nodb --quiet --eval '
  const set = new Mongo(`mongodb://${process.env.MONGODB_HOSTS}/?replicaSet=rs0`);
  set.getDB("admin").auth("root", process.env.MONGODB_ROOT_PASSWORD);
  for (const name of process.env.DATABASES.split(" ")) set.getDB(name).dropDatabase({ w: "majority" });
'
include=("${databases[@]/#/--nsInclude=}")
include=("${include[@]/%/.*}")
mongorestore --host "rs0/$MONGODB_HOSTS" --username root --authenticationDatabase admin \
  --config <(printf 'password: "%s"\n' "$MONGODB_ROOT_PASSWORD") \
  --writeConcern '{w: "majority", j: true}' --oplogReplay --gzip --archive="$archive" \
  "${include[@]}"
