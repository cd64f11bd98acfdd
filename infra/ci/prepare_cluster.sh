#!/usr/bin/env bash
# Puts into the cluster of the current kubectl context what infra/k8s-dev expects to be there: the
# Gateway API with NGINX Gateway Fabric, and cert-manager. Safe to run again.
set -euo pipefail

readonly GATEWAY=v2.6.7
readonly CERT_MANAGER=v1.21.1

kubectl kustomize "https://github.com/nginx/nginx-gateway-fabric/config/crd/gateway-api/standard?ref=$GATEWAY" \
  | kubectl apply --server-side --filename -
kubectl apply --server-side --filename "https://raw.githubusercontent.com/nginx/nginx-gateway-fabric/$GATEWAY/deploy/crds.yaml"
kubectl create namespace nginx-gateway --dry-run=client --output yaml | kubectl apply --filename -
# Without a load balancer in front, which a local cluster does not have.
kubectl apply --server-side --filename "https://raw.githubusercontent.com/nginx/nginx-gateway-fabric/$GATEWAY/deploy/nodeport/deploy.yaml"
kubectl apply --server-side --filename "https://github.com/cert-manager/cert-manager/releases/download/$CERT_MANAGER/cert-manager.yaml"

kubectl --namespace nginx-gateway rollout status deployment --timeout 5m
kubectl --namespace cert-manager rollout status deployment --timeout 5m
