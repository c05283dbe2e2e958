#!/usr/bin/env bash
# Run in a node when the dhcp plugin's daemon, MAINPID, was started: asks it for the lease of every interface that has
# one by it. A daemon that ended has forgotten them, and would neither renew nor release them. The server knows an
# interface by the same identifier as before, and leases it the same address.
# Reads what Multus keeps of each interface. Says what did not go well, for the unit's journal and in a file that a look
# at the node reports (see node-look.sh), each line as long as the namespace that it begins with is there.
set -euo pipefail
: "${MAINPID:?}"
results=/var/lib/cni/multus/results plugin=/opt/cni/bin/dhcp socket=/run/cni/dhcp.sock
wrong=/run/kalico/.dhcp

# Of what a file keeps: container, interface, its namespace, its addresses, the plugin's config; between blanks.
kept() {
  jq --raw-output '
    (.config | @base64d | fromjson) as $config
    | first(($config.plugins[]?, $config) | select(.ipam.type? == "dhcp")) as $plugin
    | (($plugin | {type, ipam}) + ($config | {cniVersion, name})) as $asked
    | "\(.containerId) \(.ifName) \(.netns) \([.result.ips[].address] | sort | join(",")) \($asked | tojson)"' "$1"
}

tell() { # NAMESPACE WHAT
  printf '%s\n' "$2"
  printf '%s %s\n' "$1" "$2" >>"$wrong"
}

renew() { # CONTAINER INTERFACE NAMESPACE ADDRESSES CONFIG
  local said now
  said=$(CNI_COMMAND=ADD CNI_CONTAINERID=$1 CNI_IFNAME=$2 CNI_NETNS=$3 CNI_PATH=${plugin%/*} "$plugin" <<<"$5") || true
  if now=$(jq --exit-status --raw-output '[.ips[].address] | sort | join(",")' <<<"$said" 2>/dev/null); then
    [ "$now" = "$4" ] || tell "$3" "$2 of container $1 has $4, and is leased $now now: delete its pod"
  else
    tell "$3" "$2 of container $1 has $4, and no lease: $(printf %s "$said" | tr -s '[:space:]' ' ')"
  fi
}

mkdir -p "${wrong%/*}"
rm -f "$wrong"
until [ -S "$socket" ]; do
  kill -0 "$MAINPID" # else this would keep systemd from starting it again
  sleep 0.1
done
for file in "$results"/*; do
  [ -e "$file" ] || continue
  read -r container interface namespace addresses config < <(kept "$file") || continue # of another plugin's, or unreadable
  [ -e "$namespace" ] || continue
  renew "$container" "$interface" "$namespace" "$addresses" "$config" &
done
wait
