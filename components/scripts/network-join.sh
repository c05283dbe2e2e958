#!/usr/bin/env bash
# Joins NODE to the macvlan network NETWORK and takes the address off its new interface, as the seed does: the network is
# the pods'. ADDRESS (with its prefix) is put on it where it is not empty. Prints NODE INTERFACE MAC [ADDRESS/PREFIX].
# The interface is found by the MAC that the engine gave it, not guessed from the order, and noted in the node beside
# BECAUSE, why this runs (see node-look.sh). Refuses one of the network's SUBNETS where the nodes' own addresses lie in it:
# pods would look for their node on net1.
set -euo pipefail
: "${ENGINE:?}" "${NODE:?}" "${NETWORK:?}"
. in-node.sh
ADDRESS=${ADDRESS:-}

joined() {
  "$ENGINE" inspect --format "{{with index .NetworkSettings.Networks \"$NETWORK\"}}{{.MacAddress}}{{end}}" "$NODE"
}

mac=$(joined 2>/dev/null) || mac=
if [ -z "$mac" ]; then
  "$ENGINE" network connect "$NETWORK" "$NODE" >/dev/null
  if ! mac=$(joined) || [ -z "$mac" ]; then
    echo "$ENGINE does not tell the MAC that '$NODE' has on network '$NETWORK'" >&2
    exit 1
  fi
fi
interface=$(interface_by_mac "$NODE" "$mac")
if [ -z "$interface" ]; then
  echo "$NODE has no interface with the MAC '$mac' of network '$NETWORK'" >&2
  exit 1
fi
"$ENGINE" exec "$NODE" ip address flush dev "$interface"
# shellcheck disable=SC2086 # words
found=$(other_link "$NODE" "$interface" ${SUBNETS:-})
read -r subnet near <<<"$found"
if [ -n "$near" ]; then
  echo "network '$NETWORK': $subnet overlaps the nodes' own network $near, which is $ENGINE's choice: take another subnet" >&2
  exit 1
fi
[ -z "$ADDRESS" ] || "$ENGINE" exec "$NODE" ip address add "$ADDRESS" dev "$interface"
mark "join.$NETWORK" "$interface $mac${ADDRESS:+ $ADDRESS}"
echo "$NODE $interface $mac${ADDRESS:+ $ADDRESS}"
