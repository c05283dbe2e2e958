#!/usr/bin/env bash
# Removes the kind cluster CLUSTER from ENGINE, its network and its live files in RUN.
# Does not mind when any of them is gone already; anything else that goes wrong is an error.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${RUN:?}"
export KIND_EXPERIMENTAL_PROVIDER="$ENGINE"

mkdir -p "$RUN"
exec 9<>"$RUN/lock" # not emptied: it says who holds it
if ! flock --timeout 300 9; then
  holder=$(<"$RUN/lock")
  echo "cluster '$CLUSTER': ${holder:-another process} has held $RUN/lock for 300 s;" \
    "wait for its end, or end it, then run again" >&2
  exit 1
fi
printf 'process %s (kind-delete)\n' "$$" >"$RUN/lock"

# Without --quiet, which would keep the reason of a failure, too.
if ! said=$(kind delete cluster --name "$CLUSTER" --kubeconfig "$RUN/kubeconfig" 2>&1 9>&-); then
  echo "$said" >&2
  exit 1
fi
# kind asks the nodes for their volumes: that of a node which somebody removed before would stay.
if [ -e "$RUN/volumes" ]; then
  while read -r volume; do
    ! "$ENGINE" volume inspect "$volume" >/dev/null 2>&1 || "$ENGINE" volume rm "$volume" >/dev/null
  done <"$RUN/volumes"
fi
if "$ENGINE" network inspect "$CLUSTER" >/dev/null 2>&1; then
  "$ENGINE" network rm "$CLUSTER" >/dev/null
fi
rm -f "$RUN/because/cluster" "$RUN/because/self-test" "$RUN/checks.json"
rm -f "$RUN/kubeconfig" "$RUN/kubeconfig.lock" "$RUN/engine" "$RUN/lock" "$RUN/volumes"
for folder in "$RUN/because" "$RUN"; do
  # At the end of a lab another script may be as far, and be the first.
  [ ! -d "$folder" ] || rmdir --ignore-fail-on-non-empty "$folder" || [ ! -d "$folder" ]
done
