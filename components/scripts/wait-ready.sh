#!/usr/bin/env bash
# Waits until every node and every pod of the cluster is Ready, then says what really runs, asked of the running
# things. Prints `node NAME ROLE ADDRESS VERSION` for each node and `version THING VERSION` for each thing.
set -euo pipefail
: "${ENGINE:?}" "${RUN:?}" "${WORKER:?}" "${SECONDS_AT_MOST:?}"
export KUBECONFIG="$RUN/kubeconfig"

kubectl wait --for=condition=Ready nodes --all --timeout "${SECONDS_AT_MOST}s" >/dev/null
kubectl wait --for=condition=Ready pods --all --all-namespaces --timeout "${SECONDS_AT_MOST}s" >/dev/null

kubectl get nodes --no-headers --output wide |
  while read -r name _ role _ version address _; do
    echo "node $name ${role/<none>/worker} $address $version"
  done

echo "version kubernetes $(kubectl get --raw /version | sed -n 's/.*"gitVersion": "\([^"]*\)".*/\1/p')"
echo "version calico $(kubectl exec --namespace calico-system daemonset/calico-node --container calico-node -- calico-node -v)"
echo "version multus $(kubectl exec --namespace kube-system daemonset/kube-multus-ds --container kube-multus -- /usr/src/multus-cni/bin/multus-daemon -version 2>&1 | head -n 1)"
echo "version cni-plugins $("$ENGINE" exec "$WORKER" /opt/cni/bin/macvlan 2>&1 </dev/null | head -n 1)"
echo "version containerd $("$ENGINE" exec "$WORKER" containerd --version)"
echo "version $ENGINE $("$ENGINE" version --format '{{.Server.Version}}')"
echo "version kind $(kind version)"
