#!/usr/bin/env bash
# Waits until Multus's conf is on every node: a pod that is made without it gets no net1, and no error. The daemon writes
# it when it starts, and never again: where BECAUSE (of node-look.sh) says that it is gone, the daemon of that node is
# started anew; one that has only begun is let be.
# Reads the nodes on stdin, one a line; SECONDS_AT_MOST ends the wait. Leaves a mark in each node (see node-look.sh).
set -euo pipefail
: "${ENGINE:?}" "${RUN:?}" "${SECONDS_AT_MOST:?}"
export KUBECONFIG="$RUN/kubeconfig"
conf=/etc/cni/net.d/00-multus.conf

mapfile -t nodes
for node in "${nodes[@]}"; do
  if [[ ${BECAUSE:-} == *"$conf is gone" ]] && ! "$ENGINE" exec "$node" test -e "$conf"; then
    kubectl delete pods --namespace kube-system --selector app=multus --field-selector "spec.nodeName=$node" >/dev/null
  fi
done
for node in "${nodes[@]}"; do
  # shellcheck disable=SC2016 # expanded in the node
  "$ENGINE" exec --interactive "$node" bash -c '
    until [ -e "$1" ]; do
      if [ $SECONDS -ge "$2" ]; then
        echo "$(hostname) has no $1: Multus does not run there" >&2
        exit 1
      fi
      sleep 0.2
    done
    mkdir -p /run/kalico && cat >/run/kalico/multus
  ' wait "$conf" "$SECONDS_AT_MOST" <<<"${BECAUSE:-}"$'\n'"$conf"
done
