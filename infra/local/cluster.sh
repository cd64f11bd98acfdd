#!/usr/bin/env bash
# Creates a local cluster for `skaffold dev`: kind with a Gateway, and in it what outlives skaffold: the namespace, the
# secrets and the volume of backups. Safe to run again: it keeps what exists and adds what is missing.
#
#   infra/local/cluster.sh              creates the cluster `ticketing` of kind and makes it kubectl's current one
#   infra/local/cluster.sh --current    prepares kubectl's current cluster instead, which must enforce NetworkPolicies and
#                                       have the Gateway API with a GatewayClass `nginx`
#
# `kind delete cluster --name ticketing` removes everything, including the data.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly NAME=ticketing
readonly KIND_VERSION=0.33
readonly SECRETS=infra/k8s-dev/setup/secrets

say() { printf '%12s %s\n' "$1" "$2"; }

die() {
  printf 'cluster.sh: %s\n' "$1" >&2
  exit 1
}

# Lists everything that is missing at once.
check_programs() {
  local problems='' program
  for program in "$@"; do
    if command -v "$program" > /dev/null; then continue; fi
    case $program in
      cargo) problems+="  cargo: https://rustup.rs"$'\n' ;;
      docker) problems+="  docker: https://docs.docker.com/get-started/get-docker"$'\n' ;;
      kind) problems+="  kind: https://kind.sigs.k8s.io/docs/user/quick-start/#installation"$'\n' ;;
      kubectl) problems+="  kubectl: https://kubernetes.io/docs/tasks/tools"$'\n' ;;
      skaffold) problems+="  skaffold: https://skaffold.dev/docs/install"$'\n' ;;
      *) problems+="  $program"$'\n' ;;
    esac
  done
  if [[ -n $problems ]]; then
    die "these programs are missing; install them and run this again:"$'\n'"${problems%$'\n'}"
  fi
}

check_docker() {
  local version
  docker info > /dev/null 2>&1 || die 'Docker does not run; start it and run this again'
  # Such as `kind v0.33.0 go1.26.0 linux/amd64`.
  version=$(kind version | sed -n 's/^kind v\([0-9.]*\).*/\1/p')
  if [[ $(printf '%s\n' "$KIND_VERSION" "$version" | sort -t . -k 1,1n -k 2,2n | head -n 1) != "$KIND_VERSION" ]]; then
    die "kind ${version:-of an unknown version} is too old; install $KIND_VERSION or newer"
  fi
}

create_cluster() {
  if kind get clusters 2> /dev/null | grep --quiet --line-regexp "$NAME"; then
    say Using "the cluster $NAME of kind"
    # A stopped machine stops it.
    docker start "$NAME-control-plane" > /dev/null
    kind export kubeconfig --name "$NAME" --quiet
    kubectl config use-context "kind-$NAME" > /dev/null
    kubectl wait --for condition=Ready node --all --timeout 2m > /dev/null
  else
    say Creating "the cluster $NAME of kind"
    kind create cluster --config infra/local/kind.yaml --wait 3m
  fi
}

case ${1:-} in
  '')
    check_programs cargo docker kind kubectl openssl skaffold
    check_docker
    create_cluster
    say Installing 'the Gateway API, NGINX Gateway Fabric and a metrics server'
    infra/ci/prepare_cluster.sh > /dev/null
    ;;
  --current)
    check_programs cargo kubectl openssl skaffold
    kubectl get gatewayclass nginx > /dev/null || die 'the current cluster has no GatewayClass nginx'
    ;;
  *)
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p;}' "${BASH_SOURCE[0]}"
    exit 2
    ;;
esac

say Preparing 'the namespace and its secrets'
cargo xtask secrets
kubectl apply --namespace "$NAME" --kustomize infra/k8s-dev/setup > /dev/null

cat << TEXT

  The cluster is ready. Now run

    skaffold dev

  and open https://ticketing.localhost:8443.

  To have browsers trust the certificate, which the card form requires, import this authority once. It may only sign
  names below localhost.

    $PWD/$SECRETS/tls/authority.crt

TEXT
