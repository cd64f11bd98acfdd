#!/bin/sh
# Keeps encrypted copies of the backups outside of the cluster, in a bucket that speaks the S3 protocol, with rclone.
#
#   offsite.sh copy      copies every complete backup of BACKUP_DIR that the bucket lacks, the manifest last, and deletes
#                        what is older than OFFSITE_RETENTION_DAYS; never the newest
#   offsite.sh fetch     copies the newest backup of the bucket to BACKUP_DIR; fails if it is older than
#                        OFFSITE_MAX_AGE_HOURS
#
# Names and contents are encrypted with BACKUP_PASSWORD before they leave the cluster: without it they are lost. For a
# restore after the loss of the cluster, see docs/operations.md.
set -eu

: "${S3_ENDPOINT:?}" "${S3_BUCKET:?}" "${S3_ACCESS_KEY:?}" "${S3_SECRET_KEY:?}" "${BACKUP_PASSWORD:?}"
BACKUP_DIR=${BACKUP_DIR:-/backup}
# No file: everything is in the environment, so that no password is an argument of a process.
export RCLONE_CONFIG=/dev/null RCLONE_CACHE_DIR=/tmp/rclone
export RCLONE_CONFIG_BUCKET_TYPE=s3 RCLONE_CONFIG_BUCKET_PROVIDER=Other RCLONE_CONFIG_BUCKET_ENDPOINT="$S3_ENDPOINT"
export RCLONE_CONFIG_BUCKET_REGION="${S3_REGION:-}" RCLONE_CONFIG_BUCKET_NO_CHECK_BUCKET=true
export RCLONE_CONFIG_BUCKET_ACCESS_KEY_ID="$S3_ACCESS_KEY" RCLONE_CONFIG_BUCKET_SECRET_ACCESS_KEY="$S3_SECRET_KEY"
export RCLONE_CONFIG_OFFSITE_TYPE=crypt RCLONE_CONFIG_OFFSITE_REMOTE="bucket:$S3_BUCKET/backups"
RCLONE_CONFIG_OFFSITE_PASSWORD=$(printf %s "$BACKUP_PASSWORD" | rclone obscure -)
export RCLONE_CONFIG_OFFSITE_PASSWORD

fail() {
  echo "offsite.sh: $1" >&2
  exit 1
}

# ago SECONDS: that moment, as the backups are named.
ago() { date -u -d "@$(($(date +%s) - $1))" +%Y-%m-%dT%H-%M-%SZ; }

# The complete backups in the bucket, the newest last.
copies() { rclone lsf --recursive --files-only --include '/*/manifest.json' offsite: | sed -n 's,/manifest\.json$,,p' | sort; }

# is_older A B: whether A is before B; both are names of backups.
is_older() { [ "$1" != "$2" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort | head -n 1)" = "$1" ]; }

copy() {
  newest=
  present=$(copies)
  for folder in "$BACKUP_DIR"/*/; do
    name=$(basename "$folder")
    if [ ! -f "$folder/manifest.json" ]; then continue; fi
    newest=$name
    if printf '%s\n' "$present" | grep -q -x -F "$name"; then continue; fi
    rclone copy --exclude /manifest.json "$folder" "offsite:$name"
    # Read back and compared, before the manifest says that it is whole.
    rclone cryptcheck --one-way --exclude /manifest.json "$folder" "offsite:$name"
    rclone copyto "$folder/manifest.json" "offsite:$name/manifest.json"
    echo "copied $name"
  done
  if [ -z "$newest" ]; then fail "there is no backup in $BACKUP_DIR"; fi
  oldest=$(ago "$((${OFFSITE_RETENTION_DAYS:-90} * 86400))")
  for name in $(copies); do
    if [ "$name" != "$newest" ] && is_older "$name" "$oldest"; then
      rclone purge "offsite:$name"
      echo "deleted $name"
    fi
  done
}

fetch() {
  name=$(copies | tail -n 1)
  if [ -z "$name" ]; then fail "there is no backup in the bucket, or it has another password"; fi
  if is_older "$name" "$(ago "$((${OFFSITE_MAX_AGE_HOURS:-50} * 3600))")"; then fail "the newest backup is $name"; fi
  rclone copy "offsite:$name" "$BACKUP_DIR/$name"
  echo "fetched $name"
}

case ${1-} in
  copy | fetch) "$1" ;;
  *) fail 'use it as offsite.sh copy or offsite.sh fetch' ;;
esac
