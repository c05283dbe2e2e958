#!/usr/bin/env bash
# Makes the peer of the macvlan network NETWORK on ENGINE: the container PEER of IMAGE, with ADDRESS (10.23.0.1/16; one
# of IPv6 too, or alone) there. UPLINK: a network of the engine's where it passes on what is not for itself, behind its
# own address; empty: it passes on nothing. It runs the words on stdin, one a line; without any it is there and no more.
# ROLE: peer, or server for one that runs a DHCP server, which TOOLS helps, an image with iptables.
# Prints INTERFACE MAC, and notes them in the container beside BECAUSE, why this runs (see node-look.sh): the address is
# gone when the container is started again, and so is the note.
# RUN/peers/NETWORK (or servers) remembers it from before the first step, for the clean-up after a run that was killed.
# Does not touch a container of that name that the lab (label kalico=CLUSTER) did not make.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${NETWORK:?}" "${PEER:?}" "${IMAGE:?}" "${ADDRESS:?}" "${RUN:?}"
. live-files.sh
. in-node.sh
UPLINK=${UPLINK:-}
ROLE=${ROLE:-peer}
read -r -a addresses <<<"$ADDRESS"

mapfile -t command
[ ${#command[@]} -gt 0 ] || command=(sleep infinity)

# What a run that was killed left beside it (see `aid`), where it would hang on PEER.
ours=$("$ENGINE" ps --all --filter "label=kalico=$CLUSTER" --format '{{.Names}}')
! grep -qxF "$PEER.aid" <<<"$ours" || "$ENGINE" rm --force --volumes "$PEER.aid" >/dev/null
if lab=$("$ENGINE" inspect --type container --format '{{index .Config.Labels "kalico"}}' "$PEER" 2>/dev/null); then
  if [ "$lab" != "$CLUSTER" ]; then
    echo "$ENGINE has a container '$PEER' already that this lab did not make:" \
      "give the network another name or remove it ($ENGINE rm --force $PEER)" >&2
    exit 1
  fi
  "$ENGINE" rm --force --volumes "$PEER" >/dev/null
fi
remember "${ROLE}s/$NETWORK" "$ENGINE $PEER"

words=(
  --name "$PEER" --label "kalico=$CLUSTER" --network "$NETWORK" --tmpfs /run
  --cap-add NET_ADMIN --cap-add NET_RAW
  --sysctl "net.ipv4.ip_forward=$([ -z "$UPLINK" ] && echo 0 || echo 1)" # else it is the machine's own
  --stop-signal SIGKILL                                                  # sleep heeds no other as process 1
  --entrypoint "${command[0]}"
)
[[ $ADDRESS != *:* ]] || words+=(--sysctl net.ipv6.conf.all.disable_ipv6=0)
if ! said=$("$ENGINE" run --detach "${words[@]}" "$IMAGE" "${command[@]:1}" 2>&1 </dev/null); then
  printf '%s\n' "$said" >&2
  exit 1
fi
[ "$ROLE" = peer ] || trap '"$ENGINE" logs --tail 5 "$PEER" >&2' ERR # why it has ended

# Prints the interface that the peer has on a network, and its MAC.
on() {
  local mac interface
  mac=$("$ENGINE" inspect --format "{{with index .NetworkSettings.Networks \"$1\"}}{{.MacAddress}}{{end}}" "$PEER")
  interface=$(interface_by_mac "$PEER" "${mac:-none}")
  if [ -z "$interface" ]; then
    echo "$PEER has no interface with the MAC '$mac' of network '$1'" >&2
    exit 1
  fi
  echo "$interface $mac"
}

# Runs what the peer may not, or has not, in its network namespace. (No network's name has a dot.)
aid() {
  "$ENGINE" run --rm --name "$PEER.aid" --label "kalico=$CLUSTER" --network "container:$PEER" "$@"
}

# docker takes IPv6 off an interface on a network that it knows no IPv6 of, and /proc/sys is read-only in the peer.
takes_ipv6() {
  [ "$("$ENGINE" exec "$PEER" cat "/proc/sys/net/ipv6/conf/$1/disable_ipv6")" != 0 ] || return 0
  # shellcheck disable=SC2016 # expanded in there
  aid --privileged --entrypoint bash "$IMAGE" -c 'echo 0 >"/proc/sys/net/ipv6/conf/$1/disable_ipv6"' enable "$1" \
    >/dev/null
}

# The dhcp plugin sends the release of a lease from 0.0.0.0 to the server's own address, and Linux takes what comes from
# there only as a broadcast: a server without a raw socket, as dnsmasq is, would never hear of it.
hears_releases() {
  aid --cap-add NET_ADMIN --entrypoint iptables "${TOOLS:?}" \
    --table nat --append PREROUTING --in-interface "$1" --protocol udp --source 0.0.0.0/32 \
    --destination-port 67 ! --destination 255.255.255.255 --jump DNAT --to-destination 255.255.255.255
}

link=$(on "$NETWORK")
interface=${link% *}
"$ENGINE" exec "$PEER" ip address flush dev "$interface" scope global
for address in "${addresses[@]}"; do
  if [[ $address == *:* ]]; then
    takes_ipv6 "$interface"
    "$ENGINE" exec "$PEER" ip address add "$address" dev "$interface" nodad
  else
    "$ENGINE" exec "$PEER" ip address add "$address" dev "$interface"
  fi
done
if [ -n "$UPLINK" ]; then
  "$ENGINE" network connect "$UPLINK" "$PEER" >/dev/null
  out=$(on "$UPLINK")
  "$ENGINE" exec "$PEER" iptables --table nat --append POSTROUTING --out-interface "${out% *}" --jump MASQUERADE
fi
if [ "$ROLE" != peer ]; then
  running=$("$ENGINE" inspect --format '{{.State.Running}}' "$PEER")
  [ "$running" = true ]
  hears_releases "$interface" </dev/null
fi
# shellcheck disable=SC2016 # expanded in the peer
"$ENGINE" exec --interactive "$PEER" sh -c 'mkdir -p /run/kalico && cat >"/run/kalico/$1"' mark "$ROLE.$NETWORK" \
  <<<"${BECAUSE:-}"$'\n'"$link $ADDRESS"
echo "$link"
