#!/usr/bin/env bash
# Gives each node that joins NETWORK the CNI config of its own in FILE, where Multus finds it by the NAD's name.
# Reads a line a node on stdin: NODE and its config as JSON, with @MASTER@ for the node's interface on the network, which
# the join noted in the node, if it has a master. Leaves a mark with BECAUSE, why this runs (see node-look.sh). Prints
# NODE and that interface.
set -euo pipefail
: "${ENGINE:?}" "${NETWORK:?}" "${FILE:?}"

while read -r node config; do
  interface=
  if [[ $config == *@MASTER@* ]]; then
    interface=$("$ENGINE" exec "$node" sed -n '2s/ .*//p' "/run/kalico/join.$NETWORK" </dev/null) || interface=
    if [ -z "$interface" ]; then
      echo "$node has not joined network '$NETWORK'" >&2
      exit 1
    fi
  fi
  content=${config//@MASTER@/$interface}
  sum=$(sha256sum <<<"$content")
  # shellcheck disable=SC2016 # expanded in the node
  "$ENGINE" exec --interactive "$node" bash -c 'mkdir -p "${1%/*}" && cat >"$1"' write "$FILE" <<<"$content"
  # shellcheck disable=SC2016 # expanded in the node
  "$ENGINE" exec --interactive "$node" bash -c 'cat >"/run/kalico/$1"' mark "conf.$NETWORK" \
    <<<"${BECAUSE:-}"$'\n'"$FILE ${sum%% *}"
  echo "$node${interface:+ $interface}"
done
