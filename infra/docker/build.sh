#!/usr/bin/env bash
# Builds the images on a Debian machine without a Docker engine, with buildah in a chroot. Prints the size of each
# layer and the number of crates in each program.
#
#   infra/docker/build.sh [SERVICE…]      builds all eight images by default; requires root
#
# A minimal Debian with the machine's own Rust and Node replaces the base images, under the names that the Dockerfile
# uses, so the Dockerfile is built unchanged. All output is in target/images: the image storage (in which
# infra/cluster-test/servers.py builds too), and a CycloneDX list of crates for each image. Fails if a layer has more
# than 15 MB (compressed).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly LIMIT=15000000
readonly OUT=${IMAGES_DIR:-$PWD/target/images}
export PYTHONDONTWRITEBYTECODE=1
# shellcheck source=infra/docker/engine.sh
source infra/docker/engine.sh

services=("$@")
if [[ ${#services[@]} -eq 0 ]]; then
  services=(auth expiration orders payments tickets web fakestripe ticketctl)
fi

say() { printf '%12s %s\n' "$1" "$2"; }

die() {
  printf 'build.sh: %s\n' "$1" >&2
  exit 1
}

[[ $EUID -eq 0 ]] || die 'run this as root, which debootstrap and chroot require'
for program in buildah debootstrap rustc node npm python3; do
  command -v "$program" > /dev/null || die "$program is not installed: apt-get install buildah podman runc debootstrap; for Rust and Node see the README"
done

# base NAME: a base image of the Dockerfile.
base() { sed -n "s/^ARG $1_IMAGE=//p" infra/docker/Dockerfile; }

# Creates a Debian of the machine's own release, with the machine's Rust and Node in the same places as in the real
# images. Certificates and settings of cargo and npm are copied too, because the machine may use mirrors.
bootstrap() {
  local root=$OUT/root mirror codename
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  mirror=$(apt-get indextargets --format "\$(CODENAME) \$(REPO_URI)" | sed -n "s/^$codename //p" | head -n 1)
  rm -rf "$root"
  say Bootstrapping "Debian $codename"
  debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev "$codename" "$root" "$mirror" > "$OUT/debootstrap.log" \
    || die "debootstrap failed: see $OUT/debootstrap.log"
  cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"

  # Without documentation and the standard library's sources, which are more than half of the toolchain.
  local sysroot cargo_home=${CARGO_HOME:-$HOME/.cargo}
  sysroot=$(rustc --print sysroot)
  tar -C "$sysroot" --exclude=lib/rustlib/src --exclude=lib/rustlib/rustc-src -c bin lib libexec | tar -C "$root/usr/local" -x
  mkdir -p "$root/usr/local/cargo/bin"
  if [[ -f $cargo_home/config.toml ]]; then cp "$cargo_home/config.toml" "$root/usr/local/cargo/"; fi

  local modules
  modules=$(npm root --global)
  mkdir -p "$root/usr/local/lib/node_modules"
  cp "$(readlink -f "$(command -v node)")" "$root/usr/local/bin/node"
  cp -r "$modules/npm" "$root/usr/local/lib/node_modules/"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/local/bin/npm"
  npm config get cafile | sed -n 's/^\//cafile=\//p' > "$root/root/.npmrc"
  if [[ -f $HOME/.npmrc ]]; then cat "$HOME/.npmrc" >> "$root/root/.npmrc"; fi
}

# Imports the replacements of the base images, if they do not exist yet.
bases() {
  local rust node
  rust=$(base RUST)
  node=$(base NODE)
  if engine image exists "localhost/$rust" && engine image exists "localhost/$node"; then return; fi
  bootstrap
  say Importing "replacements of $rust and $node"
  # The same environment as in the real image.
  tar -C "$OUT/root" -c . | engine import --quiet \
    --change "ENV PATH=/usr/local/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    --change "ENV CARGO_HOME=/usr/local/cargo" - "localhost/$rust" > /dev/null
  engine tag "localhost/$rust" "localhost/$node"
  rm -rf "$OUT/root"
}

build() {
  local service=$1 folder=services
  if [[ -d crates/$service ]]; then folder=crates; fi
  say Building "ticketing/$service"
  buildah --root "$STORAGE" --runroot "$RUNROOT" build \
    --isolation chroot --network host --pull-never --layers \
    --file infra/docker/Dockerfile \
    --build-arg SERVICE="$service" --build-arg FOLDER="$folder" \
    --build-arg VERSION="$version" --build-arg REVISION="$revision" \
    --tag "ticketing/$service" . > "$OUT/$service.log" 2>&1 \
    || { tail -n 30 "$OUT/$service.log" >&2; die "building ticketing/$service failed: see $OUT/$service.log"; }
}

mkdir -p "$OUT"
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
revision=$(git rev-parse HEAD 2> /dev/null || echo unknown)
bases
# The first build creates the shared layers. Each of the others compiles one crate, so they run in parallel, one per
# CPU.
build "${services[0]}"
for service in "${services[@]:1}"; do
  while (($(jobs -pr | wc -l) >= $(nproc))); do
    wait -n
  done
  build "$service" &
done
while [[ -n $(jobs -p) ]]; do
  wait -n
done
python3 infra/docker/inspect_images.py --limit "$LIMIT" --out "$OUT" --storage "$STORAGE" --runroot "$RUNROOT" "${services[@]}"
