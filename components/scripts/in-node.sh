#!/usr/bin/env bash
# What several scripts do in a node, or with one; `script` puts it in the place of the line that names it.
set -euo pipefail
: "${ENGINE:?}"

# Whether the container $1 is there and runs.
running() {
  [ "$("$ENGINE" inspect --format '{{.State.Running}}' "$1" 2>/dev/null)" = true ]
}

# Leaves the mark $1 in NODE: BECAUSE, why this runs, and the lines that follow (see node-look.sh).
mark() {
  # shellcheck disable=SC2016 # expanded in the node
  "$ENGINE" exec --interactive "$NODE" bash -c 'mkdir -p /run/kalico && cat >"/run/kalico/$1"' mark "$1" \
    < <(printf '%s\n' "${BECAUSE:-}" "${@:2}")
}

# Prints the interface of the container $1 that has the MAC $2, if one has.
interface_by_mac() {
  # Of a line such as `3: eth1@if7: <...> link/ether 9a:..`, the name before the @.
  "$ENGINE" exec "$1" ip -oneline link show | awk -v mac="$2" -F'[ :@]+' 'index($0, mac) { print $2 }'
}

# Prints the interface that the node $1 has on NETWORK, as the join noted it there; fails where there is no note.
joined_interface() {
  "$ENGINE" exec "$1" sed -n '2s/ .*//p' "/run/kalico/join.$NETWORK"
}

# Prints the first of the subnets $3... that a link of the node $1 other than $2 lies in, or around, and that link's
# subnet: the cluster's network is the engine's choice, made after config was compared with what there was.
other_link() {
  # shellcheck disable=SC2016 # expanded in the node
  "$ENGINE" exec "$1" bash -euo pipefail -c '
    for subnet in "${@:2}"; do
      family=-4
      [[ $subnet != *:* ]] || family=-6
      for how in root match; do
        ip "$family" route show proto kernel "$how" "$subnet" | sed "/ dev $1 /d; s|^|$subnet |"
      done
    done
  ' other-link "${@:2}" </dev/null | awk 'NR == 1 { print $1, $2 }'
}

# Takes all containers off the network $1: podman would kill them with it.
disconnect_all() {
  "$ENGINE" ps --all --filter "network=$1" --format '{{.Names}}' | while read -r container; do
    # (A worker may be on its way out meanwhile.)
    if ! "$ENGINE" network disconnect --force "$1" "$container" >/dev/null; then
      ! "$ENGINE" inspect --type container "$container" >/dev/null 2>&1 || exit 1
    fi
  done
}
