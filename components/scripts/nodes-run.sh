#!/usr/bin/env bash
# Has nodes of the cluster run and its API answer: starts what was stopped or paused. Reads the nodes on stdin, one a line.
# SECONDS_AT_MOST ends the wait. Leaves a mark in each node that is gone when the node is started again (BECAUSE: why
# this runs). Prints NODE ROLE ADDRESS VERSION for each: the address on the cluster's network, the kubelet's version.
# RUN/volumes/NODE keeps a node's volumes for the day when it is not there to ask.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${RUN:?}" "${SECONDS_AT_MOST:?}"

mapfile -t nodes
for node in "${nodes[@]}"; do
  state=$("$ENGINE" inspect --format '{{.State.Running}} {{.State.Paused}}' "$node")
  case "$state" in
    *' true') "$ENGINE" unpause "$node" >/dev/null ;;
    false*) "$ENGINE" start "$node" >/dev/null ;;
  esac
done
until said=$(kubectl --kubeconfig "$RUN/kubeconfig" get --raw /readyz 2>&1); do
  if [ $SECONDS -ge "$SECONDS_AT_MOST" ]; then
    echo "the cluster's API does not answer: ${said##*$'\n'}" >&2
    exit 1
  fi
  sleep 0.5
done
mkdir -p "$RUN/volumes"
for node in "${nodes[@]}"; do
  # shellcheck disable=SC2016 # expanded in the node
  "$ENGINE" exec --interactive "$node" bash -c 'mkdir -p /run/kalico && cat >"/run/kalico/$1"' mark node <<<"${BECAUSE:-}"
  told=$("$ENGINE" inspect --format \
    "{{index .Config.Labels \"io.x-k8s.kind.role\"}} {{(index .NetworkSettings.Networks \"$CLUSTER\").IPAddress}}" "$node")
  version=$("$ENGINE" exec "$node" kubelet --version)
  echo "$node $told ${version##* }"
  "$ENGINE" inspect --format '{{range .Mounts}}{{if eq .Type "volume"}}{{println .Name}}{{end}}{{end}}' "$node" \
    >"$RUN/volumes/$node"
done
