# shellcheck shell=bash
# Where buildah and podman keep the images of build.sh and run.sh, apart from all others. Sourced,
# with OUT set.

STORAGE=$OUT/storage
# Paths in here are sockets' too, which have to be short.
RUNROOT=/run/ticketing-images

# Podman with runc and plain cgroups: what works without systemd, inside another container too. The
# limits are given because it would ask for more than such a place may have.
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
