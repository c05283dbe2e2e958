#!/usr/bin/env bash
# Removes REMOVED, paths with blanks between, from NODE. A node that is not there any more, or does not run, has none that
# matters: it loses its marks, and is given the rest when it starts.
set -euo pipefail
: "${ENGINE:?}" "${NODE:?}" "${REMOVED:?}"
. in-node.sh
read -ra removed <<<"$REMOVED"

running "$NODE" || exit 0
"$ENGINE" exec "$NODE" rm -rf "${removed[@]}"
