#!/usr/bin/env bash
# Takes the worker NODE out of the kind cluster CLUSTER and removes its container from ENGINE. The pods on it are asked to
# go first, so that what they have leased is given back. Does not mind when the node, or the cluster, is gone already.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${RUN:?}" "${NODE:?}"
. live-files.sh
. in-node.sh
export KUBECONFIG="$RUN/kubeconfig"

hold --shared worker-delete
hold_node

if running "$CLUSTER-control-plane"; then # else the cluster is gone, or goes
  there=$(kubectl --request-timeout 20s get node "$NODE" --ignore-not-found --output name)
  rm -f "$RUN/because/node.$NODE" # what is stopped from here on is made again if it is wanted again
  # Of a node that does not run, nobody would answer.
  if [ -n "$there" ] && running "$NODE"; then
    kubectl drain "$NODE" --ignore-daemonsets --delete-emptydir-data --force --grace-period 10 --timeout 60s \
      >/dev/null 2>&1 || true
  fi
  kubectl delete node "$NODE" --ignore-not-found >/dev/null
fi
if of=$(cluster_of_node) && [ "$of" = "$CLUSTER" ]; then
  "$ENGINE" rm --force --volumes "$NODE" >/dev/null
fi
remove_volumes "$RUN/volumes/$NODE"
rm -f "$RUN/because/node.$NODE" "$RUN/volumes/$NODE"
if [ -n "${there:-}" ]; then # until what the evicted pods served is available again
  kubectl wait --for=condition=Available deployments --all --all-namespaces --timeout 60s >/dev/null 2>&1 || true
fi
