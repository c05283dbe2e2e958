#!/usr/bin/env bash
# Takes the mark DAEMON off the nodes on stdin, one a line: nobody then asks for its files any more. They stay, since
# this is also the first half of a repair, and the daemon would not write them again. A node that is gone, or does not
# run, has no marks.
set -euo pipefail
: "${ENGINE:?}" "${DAEMON:?}"

while read -r node; do
  if [ "$("$ENGINE" inspect --format '{{.State.Running}}' "$node" 2>/dev/null </dev/null)" = true ]; then
    "$ENGINE" exec "$node" rm -f "/run/kalico/$DAEMON" </dev/null
  fi
done
