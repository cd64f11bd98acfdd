#!/usr/bin/env bash
# Buys tickets in the cluster of the current kubectl context, where infra/k8s-dev runs: by the README's
# tour through the Gateway, before, while and after every service is rolled out anew.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

readonly SHOP=https://ticketing.dev
scratch=$(mktemp -d)
readonly scratch
forward=
trap 'if [[ -n $forward ]]; then kill "$forward"; fi; rm -rf "$scratch"' EXIT

k() { kubectl --namespace ticketing "$@"; }

k wait gateway/ticketing --for condition=Programmed --timeout 5m
k wait certificate/ticketing --for condition=Ready --timeout 5m
k get secret ticketing-tls --output 'jsonpath={.data.ca\.crt}' | base64 --decode > "$scratch/ca.crt"

# The Gateway's own Service, by a port of this machine that is free.
k port-forward --address 127.0.0.1 "$(k get service --selector gateway.networking.k8s.io/gateway-name=ticketing --output name)" \
  :443 > "$scratch/forward" &
forward=$!
until port=$(sed -n 's/^Forwarding from 127.0.0.1:\([0-9]*\) .*/\1/p' "$scratch/forward" | grep .); do
  kill -0 "$forward"
  sleep 0.2
done
printf 'connect-to = "::127.0.0.1:%s"\ncacert = "%s"\nnoproxy = "*"\n' "$port" "$scratch/ca.crt" > "$scratch/.curlrc"

buy() { python3 infra/docker/containers/tour.py "$SHOP" "$scratch"; }

buy
k rollout restart deployment --selector app.kubernetes.io/component=service
buy
k rollout status deployment --selector app.kubernetes.io/component=service --timeout 10m
buy
