#!/usr/bin/env bash
# Removes the bridge BRIDGE, which the CNI plugin made, from the nodes on stdin, one a line. Does not mind where there is
# none, and leaves a link of that name that is no bridge. A node that is gone, or does not run, has no links.
set -euo pipefail
: "${ENGINE:?}" "${BRIDGE:?}"

while read -r node; do
  if [ "$("$ENGINE" inspect --format '{{.State.Running}}' "$node" 2>/dev/null </dev/null)" = true ]; then
    # shellcheck disable=SC2016 # expanded in the node
    "$ENGINE" exec "$node" bash -euc '
      bridges=$(ip -oneline link show type bridge)
      ! grep -qE "^[0-9]+: $1:" <<<"$bridges" || ip link delete dev "$1"
    ' remove "$BRIDGE" </dev/null
  fi
done
