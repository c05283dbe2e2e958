#!/usr/bin/env bash
# Takes the annotation KEY, and what stands beside it, off the nodes that are still there. Reads the nodes on stdin, one
# a line. Where the API does not answer the nodes are about to be started, or replaced, and annotated anew.
set -euo pipefail
: "${RUN:?}" "${KEY:?}" "${BECAUSE_KEY:?}" "${CONTENT_KEY:?}"
export KUBECONFIG="$RUN/kubeconfig"

mapfile -t nodes
if kubectl --request-timeout 5s get --raw /readyz >/dev/null 2>&1; then
  for node in $(kubectl get nodes --ignore-not-found --output name "${nodes[@]}"); do
    kubectl annotate "$node" "$KEY-" "$BECAUSE_KEY-" "$CONTENT_KEY-" >/dev/null
  done
fi
