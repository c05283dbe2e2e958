#!/usr/bin/env bash
# The lab by hand, step after step as its first README has them, for `make bench` to compare with. Each step is
# waited for as that README does, by looking. Prints a line when a step is done: NAME, a tab, seconds since the start.
# Differs where the original would not run: addresses and manifests pinned as the program has them, the macvlan
# network internal and on an isolated bridge, `rangeEnd` for `rangeStop`.
set -euo pipefail
: "${ENGINE:?}" "${CLUSTER:?}" "${NETWORK:?}" "${BRIDGE:?}" "${WORKER:?}" "${KUBECONFIG:?}" "${NETWORK_WORDS:?}"
: "${KIND_CONFIG:?}" "${OPERATOR:?}" "${INSTALLATION:?}" "${MULTUS:?}" "${ARCHIVE:?}" "${NAD:?}" "${POD:?}"
export KIND_EXPERIMENTAL_PROVIDER="$ENGINE"
# A network of its own instead of kind's shared one, so that all of it can go again.
export KIND_EXPERIMENTAL_DOCKER_NETWORK="$CLUSTER" KIND_EXPERIMENTAL_PODMAN_NETWORK="$CLUSTER"
start=$EPOCHREALTIME

done_with() {
  awk -v name="$1" -v start="$start" -v now="$EPOCHREALTIME" 'BEGIN { printf "%s\t%.1f\n", name, now - start }'
}

kind create cluster --name "$CLUSTER" --config "$KIND_CONFIG" --quiet
done_with cluster
for node in $(kind get nodes --name "$CLUSTER"); do
  "$ENGINE" exec --interactive "$node" tar --extract --gzip --directory /opt/cni/bin --no-same-owner <"$ARCHIVE"
done
done_with 'CNI plugins'
kubectl create --filename "$OPERATOR" >/dev/null
established() { kubectl wait --for=condition=Established crd/installations.operator.tigera.io --timeout 60s >/dev/null; }
established 2>/dev/null || { sleep 1 && established; } # at once it fails on a CRD that has no conditions yet
kubectl apply --filename "$INSTALLATION" >/dev/null
until [ -n "$(kubectl get pods --all-namespaces --selector k8s-app=calico-node --output name)" ]; do sleep 1; done
kubectl wait --for=condition=Ready pods --all-namespaces --selector k8s-app=calico-node --timeout 300s >/dev/null
done_with 'calico-node'
kubectl apply --filename "$MULTUS" >/dev/null
kubectl rollout status --namespace kube-system daemonset/kube-multus-ds --timeout 300s >/dev/null
done_with Multus
ip link add name "$BRIDGE" type bridge
ip link set "$BRIDGE" up
mapfile -t words <<<"$NETWORK_WORDS"
"$ENGINE" network create "${words[@]}" --opt "parent=$BRIDGE" "$NETWORK" >/dev/null
"$ENGINE" network connect "$NETWORK" "$WORKER" >/dev/null
"$ENGINE" exec "$WORKER" ip address flush dev eth1
kubectl apply --filename "$NAD" >/dev/null
done_with 'network and NAD'
kubectl apply --filename "$POD" >/dev/null
until kubectl get pod samplepod --output yaml | grep -q 'interface.*net1'; do sleep 0.5; done
done_with net1
kubectl wait --for=condition=Ready pod/samplepod --timeout 300s >/dev/null
kubectl wait --for=condition=Ready installation/default --timeout 300s >/dev/null
kubectl wait --for=condition=Ready nodes --all --timeout 300s >/dev/null
kubectl wait --for=condition=Ready pods --all --all-namespaces --timeout 300s >/dev/null
done_with 'all Ready'
