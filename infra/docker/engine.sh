# shellcheck shell=bash
# Separate image storage and podman configuration for build.sh and infra/local/buildah.sh, to be sourced with OUT set.
# infra/cluster-test/servers.py is told of the same storage.

STORAGE=$OUT/storage
# A short path, because it contains sockets, whose paths are limited in length.
RUNROOT=/run/ticketing-images

# Podman with runc and cgroupfs, which work without systemd, also inside another container. The limits are explicit
# because podman's defaults may exceed those of the surrounding container.
export CONTAINERS_CONF=$OUT/containers.conf
mkdir -p "$OUT"
cat > "$CONTAINERS_CONF" << 'CONF'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
CONF

engine() { podman --root "$STORAGE" --runroot "$RUNROOT" "$@"; }
