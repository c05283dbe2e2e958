#!/usr/bin/env bash
# Removes the bridge BRIDGE, which the CNI plugin made, from NODE. Does not mind where there is none, and leaves a link of
# that name that is no bridge. A node that is gone, or does not run, has no links.
set -euo pipefail
: "${ENGINE:?}" "${NODE:?}" "${BRIDGE:?}"
. in-node.sh

running "$NODE" || exit 0
# shellcheck disable=SC2016 # expanded in the node
"$ENGINE" exec "$NODE" bash -euc '
  bridges=$(ip -oneline link show type bridge)
  ! grep -qE "^[0-9]+: $1:" <<<"$bridges" || ip link delete dev "$1"
' remove "$BRIDGE"
