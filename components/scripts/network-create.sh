#!/usr/bin/env bash
# Makes the macvlan network NETWORK on ENGINE. Reads the words of `network create` on stdin, one a line.
# PARENT: the interface it lies on. Empty: an island, on the engine's own isolated link where ISLAND=engine and
# the kernel has one, else on the bridge BRIDGE, which is made here and has no port. MTU: what the island has to carry,
# where that is more than a link has by itself; it is then always a bridge.
# RUN/networks/NETWORK remembers it from before the first step, for the clean-up after a run that was killed.
# RUN/because/network.NETWORK keeps BECAUSE, why this runs, the parent, SUBNET (10.23.0.0/16; of two families both) and
# MODE, which is also among those words.
# Does not touch a network of that name that the lab (label kalico=CLUSTER) did not make.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${NETWORK:?}" "${BRIDGE:?}" "${RUN:?}"
. live-files.sh
. in-node.sh
PARENT=${PARENT:-}
ISLAND=${ISLAND:-}
MTU=${MTU:-}

mapfile -t words
words+=(--label "kalico=$CLUSTER")

if "$ENGINE" network inspect "$NETWORK" >/dev/null 2>&1; then
  ours=$("$ENGINE" network ls --quiet --filter "name=^$NETWORK\$" --filter "label=kalico=$CLUSTER")
  if [ -z "$ours" ]; then
    echo "$ENGINE has a network '$NETWORK' already that this lab did not make:" \
      "give the network another name or remove it ($ENGINE network rm $NETWORK)" >&2
    exit 1
  fi
  disconnect_all "$NETWORK"
  "$ENGINE" network rm "$NETWORK" >/dev/null
fi

rm -f "$RUN/because/network.$NETWORK" # of what was there before
remember "networks/$NETWORK" "$ENGINE $BRIDGE"

keep() {
  remember "because/network.$NETWORK" "${BECAUSE:-}" "$1" "${SUBNET:-}" "${MODE:-}"
}

refusal=
if [ -z "$PARENT" ] && [ "$ISLAND" = engine ] && [ -z "$MTU" ]; then
  if refusal=$("$ENGINE" network create "${words[@]}" "$NETWORK" 2>&1 >/dev/null); then
    keep ''
    echo "island of $ENGINE's own"
    exit 0
  fi
fi
if [ -z "$PARENT" ]; then
  if ! ip link show "$BRIDGE" >/dev/null 2>&1 && ! ip link add name "$BRIDGE" type bridge; then
    rm -f "$RUN/networks/$NETWORK"
    [ -z "$refusal" ] || echo "$ENGINE made no isolated link: $refusal" >&2
    echo "network '$NETWORK' needs a bridge that only root may make: run as root, name a 'parent'," \
      "or load the kernel's dummy module (modprobe dummy) where the engine makes isolated links" >&2
    exit 1
  fi
  [ -z "$MTU" ] || ip link set "$BRIDGE" mtu "$MTU"
  ip link set "$BRIDGE" up
  PARENT=$BRIDGE
# An engine may make eth0.7 by itself, on eth0.
elif ! ip link show "$PARENT" >/dev/null 2>&1 && ! ip link show "${PARENT%.*}" >/dev/null 2>&1; then
  echo "there is no interface '$PARENT' on this machine, named as the parent of network '$NETWORK'" >&2
  exit 1
fi
if ! "$ENGINE" network create "${words[@]}" --opt "parent=$PARENT" "$NETWORK" >/dev/null; then
  [ "$PARENT" != "$BRIDGE" ] || ip link delete "$BRIDGE"
  [ -z "$refusal" ] || echo "$ENGINE made no isolated link before: $refusal" >&2
  exit 1
fi
keep "$PARENT"
echo "parent $PARENT"
