#!/usr/bin/env bash
# Gives NODE, which joins NETWORK, the CNI config of its own in FILE, where Multus finds it by the NAD's name. CONFIG is
# JSON, with @MASTER@ for the node's interface on the network, which the join noted in the node, if it has a master.
# Leaves a mark with BECAUSE, why this runs (see node-look.sh). Prints NODE and that interface.
set -euo pipefail
: "${ENGINE:?}" "${NODE:?}" "${NETWORK:?}" "${FILE:?}" "${CONFIG:?}"
. in-node.sh

interface=
if [[ $CONFIG == *@MASTER@* ]]; then
  interface=$(joined_interface "$NODE") || interface=
  if [ -z "$interface" ]; then
    echo "$NODE has not joined network '$NETWORK'" >&2
    exit 1
  fi
fi
content=${CONFIG//@MASTER@/$interface}
sum=$(sha256sum <<<"$content")
# shellcheck disable=SC2016 # expanded in the node
"$ENGINE" exec --interactive "$NODE" bash -c 'mkdir -p "${1%/*}" && cat >"$1"' write "$FILE" <<<"$content"
mark "conf.$NETWORK" "$FILE ${sum%% *}"
echo "$NODE${interface:+ $interface}"
