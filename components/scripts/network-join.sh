#!/usr/bin/env bash
# Joins nodes to the macvlan network NETWORK and takes the address off their new interface, as the seed does: the
# network is the pods'. Reads a line a node on stdin: NODE, and ADDRESS/PREFIX where it is to have one. Prints a line a
# node: NODE INTERFACE MAC [ADDRESS/PREFIX].
# The interface is found by the MAC that the engine gave it, not guessed from the order, and noted in the node beside
# BECAUSE, why this runs (see node-look.sh).
set -euo pipefail
: "${ENGINE:?}" "${NETWORK:?}"

joined() {
  "$ENGINE" inspect --format "{{with index .NetworkSettings.Networks \"$NETWORK\"}}{{.MacAddress}}{{end}}" "$1"
}

mapfile -t lines
for line in "${lines[@]}"; do
  read -r node address <<<"$line"
  mac=$(joined "$node" 2>/dev/null) || mac=
  if [ -z "$mac" ]; then
    "$ENGINE" network connect "$NETWORK" "$node" >/dev/null
    if ! mac=$(joined "$node") || [ -z "$mac" ]; then
      echo "$ENGINE does not tell the MAC that '$node' has on network '$NETWORK'" >&2
      exit 1
    fi
  fi
  # Of a line such as `3: eth1@if7: <...> link/ether 9a:..`, the name before the @.
  interface=$("$ENGINE" exec "$node" ip -oneline link show | awk -v mac="$mac" -F'[ :@]+' 'index($0, mac) { print $2 }')
  if [ -z "$interface" ]; then
    echo "$node has no interface with the MAC '$mac' of network '$NETWORK'" >&2
    exit 1
  fi
  "$ENGINE" exec "$node" ip address flush dev "$interface"
  [ -z "$address" ] || "$ENGINE" exec "$node" ip address add "$address" dev "$interface"
  # shellcheck disable=SC2016 # expanded in the node
  "$ENGINE" exec --interactive "$node" bash -c 'mkdir -p /run/kalico && cat >"/run/kalico/$1"' mark "join.$NETWORK" \
    <<<"${BECAUSE:-}"$'\n'"$interface $mac${address:+ $address}"
  echo "$node $interface $mac${address:+ $address}"
done
