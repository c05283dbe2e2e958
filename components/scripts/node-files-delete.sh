#!/usr/bin/env bash
# Removes REMOVED, paths, from NODES, both with blanks between. A node that is not there any more, or does not run, has
# none that matters: it loses its marks, and is given the rest when it starts.
set -euo pipefail
: "${ENGINE:?}" "${NODES:?}" "${REMOVED:?}"
read -ra nodes <<<"$NODES"
read -ra removed <<<"$REMOVED"

for node in "${nodes[@]}"; do
  if [ "$("$ENGINE" inspect --format '{{.State.Running}}' "$node" 2>/dev/null)" = true ]; then
    "$ENGINE" exec "$node" rm -rf "${removed[@]}"
  fi
done
