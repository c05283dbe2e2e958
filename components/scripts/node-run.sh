#!/usr/bin/env bash
# Has NODE of the cluster run and its API answer: starts what was stopped or paused. SECONDS_AT_MOST ends the wait. Leaves
# a mark in the node that is gone when the node is started again (BECAUSE: why this runs). Prints NODE ROLE ADDRESS
# VERSION: the address on the cluster's network, the kubelet's version.
# RUN/volumes/NODE keeps the node's volumes for the day when it is not there to ask.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${RUN:?}" "${NODE:?}" "${SECONDS_AT_MOST:?}"
. live-files.sh
. in-node.sh

state=$("$ENGINE" inspect --format '{{.State.Running}} {{.State.Paused}}' "$NODE")
case "$state" in
  *' true') "$ENGINE" unpause "$NODE" >/dev/null ;;
  false*)
    before=$(date +%s)
    "$ENGINE" start "$NODE" >/dev/null
    # Not for ever: by the clock of the engine, which may be another machine's, it may seem to have been before.
    until begun --since "$before" >/dev/null || [ $SECONDS -ge $((SECONDS_AT_MOST / 4)) ]; do
      sleep 0.2
    done
    ;;
esac
until said=$(kubectl --kubeconfig "$RUN/kubeconfig" get --raw /readyz 2>&1); do
  if [ $SECONDS -ge "$SECONDS_AT_MOST" ]; then
    echo "the cluster's API does not answer: ${said##*$'\n'}" >&2
    exit 1
  fi
  sleep 0.5
done
mark node
told=$("$ENGINE" inspect --format \
  "{{index .Config.Labels \"io.x-k8s.kind.role\"}} {{(index .NetworkSettings.Networks \"$CLUSTER\").IPAddress}}" "$NODE")
version=$("$ENGINE" exec "$NODE" kubelet --version)
echo "$NODE $told ${version##* }"
volumes=$("$ENGINE" inspect --format '{{range .Mounts}}{{if eq .Type "volume"}}{{println .Name}}{{end}}{{end}}' "$NODE")
remember "volumes/$NODE" "$volumes"
