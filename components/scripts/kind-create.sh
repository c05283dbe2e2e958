#!/usr/bin/env bash
# Makes the kind cluster CLUSTER on ENGINE; prints its identity. Reads the kind config on stdin.
# Does: make it anew where an earlier run of this lab left a part of one; keep its kubeconfig in RUN, for its owner only;
# taint the nodes until wait-attachable finds their network working.
# RUN/because/cluster keeps BECAUSE, why this runs, and SUBNETS, the pods' and the services'.
# Does not: touch the user's kubeconfig, kind's shared network, or a cluster of that name that the lab did not make.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${RUN:?}"
umask 077
export KIND_EXPERIMENTAL_PROVIDER="$ENGINE"
# A network of its own, so that nothing is shared with other clusters and all of it can go again.
export KIND_EXPERIMENTAL_DOCKER_NETWORK="$CLUSTER" KIND_EXPERIMENTAL_PODMAN_NETWORK="$CLUSTER"

config=$(cat)
mkdir -p "$RUN"
# An orphan of a killed run may still be at it; its children do not inherit the lock.
exec 9<>"$RUN/lock" # not emptied: it says who holds it
if ! flock --timeout 300 9; then
  holder=$(<"$RUN/lock")
  echo "cluster '$CLUSTER': ${holder:-another process} has held $RUN/lock for 300 s;" \
    "wait for its end, or end it, then run again" >&2
  exit 1
fi
printf 'process %s (kind-create)\n' "$$" >"$RUN/lock"

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

rm -f "$RUN/because/cluster" # of what was there before
printf '%s\n' "$ENGINE" >"$RUN/engine"
if ! log=$(kind create cluster --name "$CLUSTER" --kubeconfig "$RUN/kubeconfig" \
  --config <(printf '%s\n' "$config") 2>&1 9>&-); then
  printf '%s\n' "$log" >&2
  # The record goes only with the last of it: what stays is still known to be the lab's.
  if delete_cluster &&
    { ! "$ENGINE" network inspect "$CLUSTER" >/dev/null 2>&1 || "$ENGINE" network rm "$CLUSTER" >/dev/null; }; then
    rm -f "$RUN/engine" "$RUN/volumes" "$RUN/kubeconfig"*
  fi
  exit 1
fi
# A pod that starts before Felix works finds no way to the API, and many try it again only 30 s later.
kubectl --kubeconfig "$RUN/kubeconfig" taint nodes --all kalico/no-network:NoSchedule >/dev/null
mkdir -p "$RUN/because"
printf '%s\n' "${BECAUSE:-}" '' "${SUBNETS:-}" >"$RUN/because/cluster"
chmod 0600 "$RUN/kubeconfig"
kubectl --kubeconfig "$RUN/kubeconfig" get namespace kube-system --output 'jsonpath={.metadata.uid}'
