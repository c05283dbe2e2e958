#!/usr/bin/env bash
# Removes REMOVED, paths with blanks between, from the nodes. Reads a line a node on stdin: NODE and more. A node that is
# not there any more, or does not run, has none that matters: it loses its marks, and is given the rest when it starts.
set -euo pipefail
: "${ENGINE:?}" "${REMOVED:?}"
read -ra removed <<<"$REMOVED"

while read -r node _; do
  if [ "$("$ENGINE" inspect --format '{{.State.Running}}' "$node" 2>/dev/null </dev/null)" = true ]; then
    "$ENGINE" exec "$node" rm -rf "${removed[@]}" </dev/null
  fi
done
