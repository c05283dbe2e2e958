#!/usr/bin/env bash
# Waits until every node and every pod of the cluster is Ready, then says what really runs, asked of the running
# things. Prints a line a thing: THING VERSION.
set -euo pipefail
: "${ENGINE:?}" "${RUN:?}" "${WORKER:?}" "${SECONDS_AT_MOST:?}"
export KUBECONFIG="$RUN/kubeconfig"

kubectl wait --for=condition=Ready nodes --all --timeout "${SECONDS_AT_MOST}s" >/dev/null
kubectl wait --for=condition=Ready pods --all --all-namespaces --timeout "${SECONDS_AT_MOST}s" >/dev/null

# THING COMMAND...: the first line of what the command says.
tell() {
  local thing=$1 said
  shift
  said=$("$@" 2>&1 </dev/null)
  printf '%s %s\n' "$thing" "${said%%$'\n'*}"
}

tell kubernetes kubectl get node "$WORKER" --output 'jsonpath={.status.nodeInfo.kubeletVersion}'
tell containerd kubectl get node "$WORKER" --output 'jsonpath={.status.nodeInfo.containerRuntimeVersion}'
tell calico kubectl exec --namespace calico-system daemonset/calico-node --container calico-node -- calico-node -v
tell multus kubectl exec --namespace kube-system daemonset/kube-multus-ds --container kube-multus -- \
  /usr/src/multus-cni/bin/multus-daemon -version
tell cni-plugins "$ENGINE" exec "$WORKER" /opt/cni/bin/macvlan
tell "$ENGINE" "$ENGINE" version --format '{{.Server.Version}}'
tell kind kind version
