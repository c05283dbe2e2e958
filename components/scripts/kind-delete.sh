#!/usr/bin/env bash
# Removes the kind cluster CLUSTER from ENGINE, its network and its live files in RUN.
# Does not mind when any of them is gone already; anything else that goes wrong is an error.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${RUN:?}"
. live-files.sh
export KIND_EXPERIMENTAL_PROVIDER="$ENGINE"

hold --exclusive kind-delete

# Without --quiet, which would keep the reason of a failure, too.
if ! said=$(kind delete cluster --name "$CLUSTER" --kubeconfig "$RUN/kubeconfig" 2>&1 9>&-); then
  echo "$said" >&2
  exit 1
fi
remove_volumes "$RUN"/volumes/*
if "$ENGINE" network inspect "$CLUSTER" >/dev/null 2>&1; then
  "$ENGINE" network rm "$CLUSTER" >/dev/null
fi
rm -f "$RUN/because/cluster" "$RUN/because/self-test" "$RUN/checks.json"
rm -f "$RUN/kubeconfig" "$RUN/kubeconfig.lock" "$RUN/engine" "$RUN/lock" "$RUN"/lock.* "$RUN"/because/node.*
rm -rf "$RUN/volumes"
tidy because
