#!/usr/bin/env bash
# Takes NETWORK's CNI config off the nodes. Reads a line a node on stdin: NODE and more. A node that is not there any
# more, or does not run, has none that matters: it is written again when the node is started.
set -euo pipefail
: "${ENGINE:?}" "${NETWORK:?}"

while read -r node _; do
  if [ "$("$ENGINE" inspect --format '{{.State.Running}}' "$node" 2>/dev/null </dev/null)" = true ]; then
    "$ENGINE" exec "$node" rm -f "/etc/cni/multus/net.d/kalico-$NETWORK.conflist" "/run/kalico/conf.$NETWORK" </dev/null
  fi
done
