#!/usr/bin/env bash
# Waits until a pod that starts on the nodes gets all its interfaces: a pod made before that gets no net1, and no
# error. On each node: Multus's conf and socket, Calico's name of the node, the plugins' binaries.
# Reads the nodes on stdin, one a line; SECONDS_AT_MOST ends the wait with what is missing where.
set -euo pipefail
: "${ENGINE:?}" "${SECONDS_AT_MOST:?}"

needed=(
  /etc/cni/net.d/00-multus.conf
  /run/multus/multus.sock
  /var/lib/calico/nodename # the last that calico-node writes; without it Calico's plugin fails, for 15 s
  /opt/cni/bin/multus-shim
  /opt/cni/bin/calico
  /opt/cni/bin/macvlan
)

mapfile -t nodes
for node in "${nodes[@]}"; do
  # shellcheck disable=SC2016 # expanded in the node
  "$ENGINE" exec "$node" bash -c '
    deadline=$((SECONDS + $1)); shift
    while :; do
      missing=()
      for file in "$@"; do [ -e "$file" ] || missing+=("$file"); done
      [ ${#missing[@]} -gt 0 ] || exit 0
      [ $SECONDS -lt $deadline ] || break
      sleep 0.2
    done
    echo "still missing on $(hostname): ${missing[*]}" >&2
    exit 1
  ' wait "$SECONDS_AT_MOST" "${needed[@]}"
done
