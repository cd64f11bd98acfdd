#!/usr/bin/env bash
# Prints the metrics of each pod of a service in the cluster of the current kubectl context: all, or the lines that match
# an extended regular expression.
#
#   metrics.sh payments
#   metrics.sh orders 'consumer_(pending|ack_floor)'
set -euo pipefail

readonly NAMESPACE=${NAMESPACE:-ticketing}

k() { kubectl --namespace "$NAMESPACE" "$@"; }

if (($# < 1 || $# > 2)); then
  sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
  exit 2
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The local port, once kubectl listens.
port() { sed -n 's/^Forwarding from 127\.0\.0\.1:\([0-9]*\) .*/\1/p' "$said"; }

for pod in $(k get pods --selector "app.kubernetes.io/name=$1" --field-selector status.phase=Running --output name); do
  # A file for each pod, so that no port of the pod before is read.
  said=$scratch/${pod#pod/}
  touch "$said"
  # Call kubectl itself and not the function `k`: the signal below would end the function's subshell, and kubectl would go on.
  kubectl --namespace "$NAMESPACE" port-forward "$pod" :9091 > "$said" &
  forward=$!
  until [[ -n $(port) ]]; do
    kill -0 "$forward" || exit 1
    sleep 0.1
  done
  curl --silent --show-error --max-time 10 --noproxy '*' "http://127.0.0.1:$(port)/metrics" > "$scratch/metrics" || true
  kill "$forward"
  wait "$forward" || true
  grep --invert-match --extended-regexp '^(#|$)' "$scratch/metrics" | grep --extended-regexp -- "${2:-}" | sed "s|^|${pod#pod/}  |" || true
done
