#!/usr/bin/env bash
# Tells in the annotation KEY of each node the address that its interface on NETWORK has now, as OVN-Kubernetes tells it
# of a node's primary interface: {"ipv4":"ADDRESS/PREFIX"}. Reads the nodes on stdin, one a line. Beside it stand BECAUSE,
# why this runs, and a digest of what was written (see drift). Prints a line a node: NODE VALUE.
set -euo pipefail
: "${ENGINE:?}" "${RUN:?}" "${NETWORK:?}" "${KEY:?}" "${BECAUSE_KEY:?}" "${CONTENT_KEY:?}"
. in-node.sh

mapfile -t nodes
for node in "${nodes[@]}"; do
  interface=$(joined_interface "$node")
  shown=$("$ENGINE" exec "$node" ip -oneline -4 address show dev "$interface" scope global)
  if ! [[ $shown =~ inet\ ([0-9./]+) ]]; then
    echo "$node has no address on $interface that $KEY could tell: give network '$NETWORK' nodeAddresses" >&2
    exit 1
  fi
  value="{\"ipv4\":\"${BASH_REMATCH[1]}\"}"
  sum=$(printf '%s' "$value" | sha256sum)
  because=$BECAUSE_KEY-
  [ -z "${BECAUSE:-}" ] || because="$BECAUSE_KEY=$BECAUSE"
  kubectl --kubeconfig "$RUN/kubeconfig" annotate --overwrite node "$node" \
    "$KEY=$value" "$CONTENT_KEY=${sum:0:12}" "$because" >/dev/null
  echo "$node $value"
done
