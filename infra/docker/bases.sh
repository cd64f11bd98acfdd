# shellcheck shell=bash
# Base images for builds with buildah in a chroot, on a Debian machine without a Docker engine. To be sourced in the
# repository's folder after engine.sh; `bases` creates the images.
#
# A minimal Debian with the machine's own Rust and Node replaces the base images, under the names that the Dockerfiles
# use, so the Dockerfiles are built unchanged.

say() { printf '%12s %s\n' "$1" "$2"; }

die() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  exit 1
}

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
  local rust node program
  [[ $EUID -eq 0 ]] || die 'run this as root, which debootstrap and chroot require'
  for program in buildah debootstrap rustc node npm python3; do
    command -v "$program" > /dev/null || die "$program is not installed: apt-get install buildah podman runc debootstrap; for Rust and Node see the README"
  done
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
