#!/usr/bin/env bash
# Makes the kind cluster CLUSTER on ENGINE, of a control plane alone; prints its identity. Reads the kind config on stdin.
# Does: refuse one of SUBNETS, the pods' and the services', where the engine has put the nodes' own addresses in it;
# make it anew where an earlier run of this lab left a part of one; keep its kubeconfig in RUN, for its owner only;
# have the control plane be no worker, and be closed to pods until wait-attachable finds its network working.
# RUN/because/cluster keeps BECAUSE, why this runs, and SUBNETS, the pods' and the services'; node.NODE beside it says that
# the control plane was made.
# Does not: touch the user's kubeconfig, kind's shared network, or a cluster of that name that the lab did not make.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${RUN:?}"
. live-files.sh
. in-node.sh
umask 077
export KIND_EXPERIMENTAL_PROVIDER="$ENGINE"
# A network of its own, so that nothing is shared with other clusters and all of it can go again.
export KIND_EXPERIMENTAL_DOCKER_NETWORK="$CLUSTER" KIND_EXPERIMENTAL_PODMAN_NETWORK="$CLUSTER"

config=$(cat)
hold --exclusive kind-create

# A record that was cut off in the writing is of here. One of another engine tells nothing of a cluster on this one.
begun_on=$ENGINE
[ ! -s "$RUN/engine" ] || begun_on=$(<"$RUN/engine")
if [ "$begun_on" != "$ENGINE" ]; then
  echo "cluster '$CLUSTER' was begun on $begun_on: what is left of it there has to go before it is made on $ENGINE" \
    "(make down)" >&2
  exit 1
fi

# Says why where it fails: kind's --quiet would keep its errors, too.
delete_cluster() {
  local said
  said=$(kind delete cluster --name "$CLUSTER" --kubeconfig "$RUN/kubeconfig" 2>&1 9>&-) || { echo "$said" >&2 && return 1; }
}

clusters=$(kind get clusters --quiet 9>&-)
if [ ! -e "$RUN/engine" ]; then
  if grep -qxF "$CLUSTER" <<<"$clusters"; then
    taken="a kind cluster" remove="kind delete cluster --name $CLUSTER"
  elif "$ENGINE" network inspect "$CLUSTER" >/dev/null 2>&1; then
    taken="a network of $ENGINE" remove="$ENGINE network rm $CLUSTER"
  fi
  if [ -n "${taken:-}" ]; then
    echo "there is $taken '$CLUSTER' already that this lab did not make:" \
      "choose another name (pulumi config set clusterName NAME) or remove it ($remove)" >&2
    exit 1
  fi
elif grep -qxF "$CLUSTER" <<<"$clusters"; then
  delete_cluster
fi

# Says why, and takes what was made away. The record goes only with the last of it: what stays is still known to be the
# lab's.
give_up() {
  printf '%s\n' "$1" >&2
  if delete_cluster &&
    { ! "$ENGINE" network inspect "$CLUSTER" >/dev/null 2>&1 || "$ENGINE" network rm "$CLUSTER" >/dev/null; }; then
    rm -rf "$RUN/engine" "$RUN/volumes" "$RUN/kubeconfig"*
  fi
  exit 1
}

rm -f "$RUN/because/cluster" "$RUN"/because/node.* # of what was there before
remember engine "$ENGINE"
log=$(kind create cluster --name "$CLUSTER" --kubeconfig "$RUN/kubeconfig" \
  --config <(printf '%s\n' "$config") 2>&1 9>&-) || give_up "$log"
# shellcheck disable=SC2086 # two words
found=$(other_link "$CLUSTER-control-plane" "" ${SUBNETS:-}) || give_up "it cannot be told which network the nodes are on"
read -r subnet near <<<"$found"
[ -z "$near" ] || give_up \
  "podSubnet, serviceSubnet: $subnet overlaps the nodes' own network $near, which is $ENGINE's choice: take another subnet"
export KUBECONFIG="$RUN/kubeconfig"
# A node that is alone kind lets be a worker, too. And a pod that starts before Felix works finds no way to the API, and
# many try it again only 30 s later.
kubectl taint nodes --all node-role.kubernetes.io/control-plane:NoSchedule kalico/no-network:NoSchedule >/dev/null
kubectl label nodes --all node.kubernetes.io/exclude-from-external-load-balancers= >/dev/null
remember because/cluster "${BECAUSE:-}" '' "${SUBNETS:-}"
remember "because/node.$CLUSTER-control-plane" ''
chmod 0600 "$RUN/kubeconfig"
kubectl get namespace kube-system --output 'jsonpath={.metadata.uid}'
