#!/usr/bin/env bash
# Removes the macvlan network NETWORK from ENGINE, and the bridge BRIDGE where the lab made one.
# Containers are taken off it first: podman would otherwise kill them. Does not mind when it is gone already.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${NETWORK:?}" "${BRIDGE:?}" "${RUN:?}"
. live-files.sh
. in-node.sh

ours=$("$ENGINE" network ls --quiet --filter "name=^$NETWORK\$" --filter "label=kalico=$CLUSTER")
if [ -n "$ours" ]; then
  disconnect_all "$NETWORK"
  "$ENGINE" network rm "$NETWORK" >/dev/null
fi
if ip link show "$BRIDGE" >/dev/null 2>&1; then
  ip link delete "$BRIDGE"
fi
rm -f "$RUN/because/network.$NETWORK" "$RUN/networks/$NETWORK"
tidy networks because
