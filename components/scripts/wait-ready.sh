#!/usr/bin/env bash
# Waits until every node and every pod of the cluster is Ready, then says what really runs, asked of the running
# things. Prints a line a thing: THING VERSION. WHEREABOUTS is set where the lab has it.
set -euo pipefail
: "${ENGINE:?}" "${RUN:?}" "${WORKER:?}" "${SECONDS_AT_MOST:?}"
export KUBECONFIG="$RUN/kubeconfig"

to_come=status.phase!=Succeeded,status.phase!=Failed # those of others that have ended are none of the lab's
kubectl wait --for=condition=Ready nodes --all --timeout "${SECONDS_AT_MOST}s" >/dev/null
kubectl wait --for=condition=Ready pods --all-namespaces --field-selector "$to_come" --timeout "${SECONDS_AT_MOST}s" >/dev/null

# THING STATUS COMMAND...: the first line of what the command says; it has to end with STATUS.
tell() {
  local thing=$1 status=$2 said ended=0
  shift 2
  said=$("$@" 2>&1 </dev/null) || ended=$?
  if [ "$ended" -ne "$status" ] || [ -z "$said" ]; then
    echo "cannot tell the version of $thing: $said" >&2
    exit 1
  fi
  printf '%s %s\n' "$thing" "${said%%$'\n'*}"
}

tell kubernetes 0 kubectl get node "$WORKER" --output 'jsonpath={.status.nodeInfo.kubeletVersion}'
tell containerd 0 kubectl get node "$WORKER" --output 'jsonpath={.status.nodeInfo.containerRuntimeVersion}'
tell calico 0 kubectl exec --namespace calico-system daemonset/calico-node --container calico-node -- calico-node -v
# Multus ends with 4 when it is asked for its version.
tell multus 4 kubectl exec --namespace kube-system daemonset/kube-multus-ds --container kube-multus -- \
  /usr/src/multus-cni/bin/multus-daemon -version
tell cni-plugins 0 "$ENGINE" exec "$WORKER" /opt/cni/bin/macvlan
if [ -n "${WHEREABOUTS:-}" ]; then
  tell whereabouts 0 "$ENGINE" exec "$WORKER" /opt/cni/bin/whereabouts
fi
tell "$ENGINE" 0 "$ENGINE" version --format '{{.Server.Version}}'
tell kind 0 kind version
