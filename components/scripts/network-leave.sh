#!/usr/bin/env bash
# Takes nodes off the macvlan network NETWORK. Reads a line a node on stdin: NODE and more. Does not mind when a node, the
# network or the join is gone already.
set -euo pipefail
: "${ENGINE:?}" "${NETWORK:?}"

while read -r node _; do
  joined=$("$ENGINE" inspect --format "{{with index .NetworkSettings.Networks \"$NETWORK\"}}joined{{end}}" "$node" 2>/dev/null </dev/null) || continue
  [ -n "$joined" ] || continue
  if ! said=$("$ENGINE" network disconnect --force "$NETWORK" "$node" 2>&1 >/dev/null </dev/null); then
    # Where the interface went with the bridge below it, podman fails when it has let go of the join already.
    again=$("$ENGINE" network disconnect --force "$NETWORK" "$node" 2>&1 >/dev/null </dev/null) ||
      [[ $again == *"is not connected"* ]] || {
      echo "$said" >&2
      exit 1
    }
  fi
  "$ENGINE" exec "$node" rm -f "/run/kalico/join.$NETWORK" </dev/null 2>/dev/null || true # of one that does not run
done
