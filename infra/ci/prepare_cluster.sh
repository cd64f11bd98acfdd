#!/usr/bin/env bash
# Installs the prerequisites of infra/k8s-dev into the cluster of the current kubectl context: the Gateway API with NGINX
# Gateway Fabric, and a metrics server for autoscalers. Safe to run again. infra/local/cluster.sh runs it, and so does the
# workflow "Cluster".
set -euo pipefail

readonly GATEWAY=v2.6.7
readonly METRICS_SERVER=v0.8.0

kubectl kustomize "https://github.com/nginx/nginx-gateway-fabric/config/crd/gateway-api/standard?ref=$GATEWAY" \
  | kubectl apply --server-side --filename -
kubectl apply --server-side --filename "https://raw.githubusercontent.com/nginx/nginx-gateway-fabric/$GATEWAY/deploy/crds.yaml"
kubectl create namespace nginx-gateway --dry-run=client --output yaml | kubectl apply --filename -
# The NodePort variant, because a local cluster has no load balancer.
kubectl apply --server-side --filename "https://raw.githubusercontent.com/nginx/nginx-gateway-fabric/$GATEWAY/deploy/nodeport/deploy.yaml"
# The kubelets of local clusters have certificates that no authority signed. The conflicts are with clusters whose metrics
# server got this argument by a patch.
kubectl create --dry-run=client --output yaml \
  --filename "https://github.com/kubernetes-sigs/metrics-server/releases/download/$METRICS_SERVER/components.yaml" \
  | sed 's/^\( *\)- --metric-resolution=.*/&\n\1- --kubelet-insecure-tls/' \
  | kubectl apply --server-side --force-conflicts --filename -

kubectl --namespace nginx-gateway rollout status deployment --timeout 5m
kubectl --namespace kube-system rollout status deployment metrics-server --timeout 5m
