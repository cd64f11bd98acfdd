#!/bin/bash
# All databases at one moment: the oplog of the time that reading takes is kept with them, and played again
# at the restore.
set -euo pipefail
name=$(date -u +%Y-%m-%dT%H-%M-%SZ)
trap 'rm -f "/backup/$name.unfinished"' EXIT
mongodump --host "rs0/$MONGODB_HOSTS" --username root --authenticationDatabase admin \
  --config <(printf 'password: "%s"\n' "$MONGODB_ROOT_PASSWORD") \
  --oplog --gzip --archive="/backup/$name.unfinished"
mv "/backup/$name.unfinished" "/backup/$name.archive"
# Not before there is a new one.
find /backup -name '*.archive' -mtime "+$KEEP_DAYS" -delete
ls -l /backup
