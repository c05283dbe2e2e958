#!/usr/bin/env bash
# Makes the worker NODE of the kind cluster CLUSTER on ENGINE, a container of IMAGE, and joins it to the cluster by
# kubeadm: kind makes nodes only together with their cluster. What is the machine's (proxies, mounts, user namespace) it
# takes over from the control plane, which kind made; the words on stdin, one a line, are the engine's own part.
# Makes it anew where an earlier run has left one. RUN/because/node.NODE keeps BECAUSE, why this runs, once it has joined.
# Does not touch a container of that name that is no node of the cluster.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${RUN:?}" "${NODE:?}" "${IMAGE:?}" "${SECONDS_AT_MOST:?}"
. live-files.sh
export KUBECONFIG="$RUN/kubeconfig"
umask 077
control_plane=$CLUSTER-control-plane

mapfile -t words
hold --shared worker-create
hold_node
SECONDS=0 # without the wait for the locks
rm -f "$RUN/because/node.$NODE" # of what was there before

if of=$(cluster_of_node); then
  if [ "$of" != "$CLUSTER" ]; then
    echo "$ENGINE has a container '$NODE' already that is no node of cluster '$CLUSTER':" \
      "choose another name (pulumi config set clusterName NAME) or remove it ($ENGINE rm --force $NODE)" >&2
    exit 1
  fi
  "$ENGINE" rm --force --volumes "$NODE" >/dev/null
fi
there "volumes/$NODE" # from here on there may be something of it; which volumes it has, node-run tells
kubectl delete node "$NODE" --ignore-not-found >/dev/null # kubeadm refuses the name of one that is there

of_control_plane() {
  "$ENGINE" inspect --type container --format "$1" "$control_plane"
}
mapfile -t mounts < <(of_control_plane '{{range .HostConfig.Binds}}{{println .}}{{end}}' | grep '^/')
for mount in "${mounts[@]}"; do # of files and folders of the machine, not of its own volume
  words+=(--volume "$mount")
done
namespace=$(of_control_plane '{{.HostConfig.UsernsMode}}')
[ "$namespace" != host ] || words+=(--userns host)
undo() {
  local status=$?
  [ "$status" -ne 0 ] || return 0
  local left=''
  kubectl delete node "$NODE" --ignore-not-found >/dev/null 2>&1 || left=1
  "$ENGINE" rm --force --volumes "$NODE" >/dev/null 2>&1 || left=1
  [ -n "$left" ] || rm -f "$RUN/volumes/$NODE"
}
trap undo EXIT # nobody else would know of it, were it not wanted any more
if ! said=$("$ENGINE" run --detach --tty --name "$NODE" --hostname "$NODE" --network "$CLUSTER" \
  --label "io.x-k8s.kind.cluster=$CLUSTER" --label io.x-k8s.kind.role=worker \
  --privileged --cgroupns private --tmpfs /tmp --tmpfs /run \
  --env-file <(of_control_plane '{{range .Config.Env}}{{println .}}{{end}}' | grep -vE '^((KUBECONFIG|HOSTNAME|HOME|PATH|TERM)=|$)') \
  "${words[@]}" "$IMAGE" 2>&1 8>&- 9>&-); then
  printf '%s\n' "$said" >&2
  exit 1
fi

# Waits for a command about NODE to end well, for SECONDS_AT_MOST since SECONDS was 0.
until_done() {
  local what=$1
  shift
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge "$SECONDS_AT_MOST" ]; then
      echo "$NODE: $what; the last that it says:" >&2
      "$ENGINE" logs --tail 5 "$NODE" >&2
      exit 1
    fi
    sleep 0.2
  done
}
until_done "its init has not begun" begun
until_done "its containerd does not run" "$ENGINE" exec "$NODE" systemctl is-active containerd

joining=$("$ENGINE" exec "$control_plane" kubeadm token create --ttl 15m --print-join-command)
read -r _ _ endpoint _ token _ hash <<<"$joining"
address=$("$ENGINE" inspect --format "{{(index .NetworkSettings.Networks \"$CLUSTER\").IPAddress}}" "$NODE")
# Where kind keeps it, and mends the address in it when the node is started again with another. The taint goes when the
# node's network works (see wait-attachable).
"$ENGINE" exec --interactive "$NODE" bash -c 'umask 077 && cat >/kind/kubeadm.conf' <<END
apiVersion: kubeadm.k8s.io/v1beta3
kind: JoinConfiguration
nodeRegistration:
  criSocket: unix:///run/containerd/containerd.sock
  taints: [{key: kalico/no-network, effect: NoSchedule}]
  kubeletExtraArgs:
    node-ip: "$address"
    provider-id: "kind://$ENGINE/$CLUSTER/$NODE"
discovery:
  bootstrapToken:
    apiServerEndpoint: "$endpoint"
    token: "$token"
    caCertHashes: ["$hash"]
END
if ! said=$("$ENGINE" exec "$NODE" kubeadm join --config /kind/kubeadm.conf --skip-phases preflight 2>&1); then
  echo "$NODE does not join the cluster:" >&2
  tail --lines 20 <<<"$said" >&2
  exit 1
fi
remember "because/node.$NODE" "${BECAUSE:-}"
