#!/usr/bin/env bash
# Builds a program while Dockerfile.development is built, and puts it into /image.
#
#   development.sh PROGRAM
#
# /context has the sources, /assets the packages of npm, and /cache outlives builds: the sources of the last build, and
# cargo's target folder.
set -euo pipefail
export LC_ALL=C

readonly PROGRAM=$1
readonly SOURCES=/cache/sources
scratch=$(mktemp -d)
readonly scratch

# checksums FOLDER: one line for each file of the workspace in this folder. A path begins in column 67.
checksums() {
  cd "$1"
  find Cargo.toml Cargo.lock crates services -name node_modules -prune -o -type f -exec sha256sum {} + | sort
}

paths() { cut --characters 67- "$1" | sort; }

# Only changed files are copied, and not their modification times: a copy is newer than everything that was built before.
# With the times of the context, cargo would not notice that a file was changed back to what it had been.
mkdir -p "$SOURCES/crates" "$SOURCES/services/web"
[[ -f $SOURCES/Cargo.lock ]] || touch "$SOURCES/Cargo.toml" "$SOURCES/Cargo.lock"
(checksums /context) > "$scratch/now"
(checksums "$SOURCES") > "$scratch/before"
paths "$scratch/now" > "$scratch/paths-now"
paths "$scratch/before" > "$scratch/paths-before"
comm -23 "$scratch/now" "$scratch/before" | cut --characters 67- > "$scratch/changed"
comm -13 "$scratch/paths-now" "$scratch/paths-before" > "$scratch/removed"
tar --directory /context --create --files-from "$scratch/changed" | tar --directory "$SOURCES" --extract --touch
(cd "$SOURCES" && xargs --no-run-if-empty --delimiter '\n' rm -- < "$scratch/removed")
modules=$SOURCES/services/web/node_modules
if ! diff --recursive --brief /assets/node_modules "$modules" &> /dev/null; then
  rm -rf "$modules"
  cp --recursive /assets/node_modules "$modules"
fi

# Every image is built with the same eight packages: the features of a dependency are the union of what they request, so
# another selection would build it again.
cd "$SOURCES"
cargo build --locked -p auth -p expiration -p orders -p payments -p tickets -p web -p fakestripe -p ticketctl
mkdir -p /image/etc
cp "$CARGO_TARGET_DIR"/*/debug/"$PROGRAM" /image/service
# Without this file glibc would query DNS first, and read /etc/hosts only if there is no DNS.
echo 'hosts: files dns' > /image/etc/nsswitch.conf
