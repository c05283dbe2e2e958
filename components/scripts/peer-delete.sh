#!/usr/bin/env bash
# Removes PEER, the peer (or what else by ROLE, see peer-create.sh) of the macvlan network NETWORK, from ENGINE.
# Does not mind when it is gone already.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${NETWORK:?}" "${PEER:?}" "${RUN:?}"
. live-files.sh
ROLE=${ROLE:-peer}

ours=$("$ENGINE" ps --all --filter "label=kalico=$CLUSTER" --format '{{.Names}}')
for container in "$PEER.aid" "$PEER"; do # the helper of a run that was killed hangs on it
  if grep -qxF "$container" <<<"$ours"; then
    "$ENGINE" rm --force --volumes "$container" >/dev/null
  fi
done
rm -f "$RUN/${ROLE}s/$NETWORK"
tidy "${ROLE}s"
