#!/usr/bin/env bash
# Takes NODE off the macvlan network NETWORK. Does not mind when the node, the network or the join is gone already.
set -euo pipefail
: "${ENGINE:?}" "${NODE:?}" "${NETWORK:?}"

joined=$("$ENGINE" inspect --format "{{with index .NetworkSettings.Networks \"$NETWORK\"}}joined{{end}}" "$NODE" 2>/dev/null) || exit 0
[ -n "$joined" ] || exit 0
if ! said=$("$ENGINE" network disconnect --force "$NETWORK" "$NODE" 2>&1 >/dev/null); then
  # Where the interface went with the bridge below it, podman fails when it has let go of the join already.
  again=$("$ENGINE" network disconnect --force "$NETWORK" "$NODE" 2>&1 >/dev/null) ||
    [[ $again == *"is not connected"* ]] || {
    echo "$said" >&2
    exit 1
  }
fi
"$ENGINE" exec "$NODE" rm -f "/run/kalico/join.$NETWORK" 2>/dev/null || true # of one that does not run
