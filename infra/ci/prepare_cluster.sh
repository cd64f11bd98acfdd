#!/usr/bin/env bash
# Installs the prerequisites of infra/k8s-dev into the cluster of the current kubectl context: the Gateway API
# with NGINX Gateway Fabric, and cert-manager. Safe to run again.
set -euo pipefail

readonly GATEWAY=v2.6.7
readonly CERT_MANAGER=v1.21.1

kubectl kustomize "https://github.com/nginx/nginx-gateway-fabric/config/crd/gateway-api/standard?ref=$GATEWAY" \
  | kubectl apply --server-side --filename -
kubectl apply --server-side --filename "https://raw.githubusercontent.com/nginx/nginx-gateway-fabric/$GATEWAY/deploy/crds.yaml"
kubectl create namespace nginx-gateway --dry-run=client --output yaml | kubectl apply --filename -
# The NodePort variant, because a local cluster has no load balancer.
kubectl apply --server-side --filename "https://raw.githubusercontent.com/nginx/nginx-gateway-fabric/$GATEWAY/deploy/nodeport/deploy.yaml"
kubectl apply --server-side --filename "https://github.com/cert-manager/cert-manager/releases/download/$CERT_MANAGER/cert-manager.yaml"

kubectl --namespace nginx-gateway rollout status deployment --timeout 5m
kubectl --namespace cert-manager rollout status deployment --timeout 5m
