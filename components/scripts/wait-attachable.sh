#!/usr/bin/env bash
# Waits until a pod that starts on the nodes gets all its interfaces, and each of them works at once: a pod made before
# that gets no net1, and no error. On each node: Multus's conf and socket, the plugins' binaries, Felix ready (until then
# eth0 leads nowhere). Then takes off the node's taint (see kind-create and worker-create), so that others' pods may start
# there, too. A node that the lab has made and has no more is closed to pods again, or goes.
# Reads the nodes on stdin, one a line; SECONDS_AT_MOST ends the wait with what is missing where.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${RUN:?}" "${SECONDS_AT_MOST:?}"
. in-node.sh
export KUBECONFIG="$RUN/kubeconfig"

needed=(
  /etc/cni/net.d/00-multus.conf
  /run/multus/multus.sock
  /var/lib/calico/nodename # Calico's plugin fails without it
  /opt/cni/bin/multus-shim
  /opt/cni/bin/calico
  /opt/cni/bin/macvlan
  http://localhost:9099/readiness # Felix, on the node's own loopback
)

open_up() {
  local node=$1 said
  # shellcheck disable=SC2016 # expanded in the node
  "$ENGINE" exec "$node" bash -c '
    deadline=$((SECONDS + $1)); shift
    while :; do
      missing=()
      for each in "$@"; do
        case "$each" in
          http:*) curl --silent --fail --max-time 2 --output /dev/null "$each" ;;
          *) [ -e "$each" ] ;;
        esac || missing+=("$each")
      done
      [ ${#missing[@]} -gt 0 ] || exit 0
      [ $SECONDS -lt $deadline ] || break
      sleep 0.2
    done
    echo "still missing on $(hostname): ${missing[*]}" >&2
    for each in "${missing[@]}"; do
      case "$each" in http:*) curl --silent --show-error --max-time 2 "$each" >&2 || true ;; esac
    done
    exit 1
  ' wait "$SECONDS_AT_MOST" "${needed[@]}" || return
  if ! said=$(kubectl taint nodes "$node" kalico/no-network- 2>&1) &&
    [[ $said != *'taint "kalico/no-network" not found'* ]]; then
    echo "$said" >&2
    return 1
  fi
}

# A node that is none of the lab's any more is about to go. Where it does not run, or is not Ready, nobody there ends its
# pods, and whoever waits for their end, or for all to be Ready, waits in vain: it goes now, with its pods. What others
# have added (a KWOK node) tells no such provider, and is left alone.
close_others() {
  local there node provider ready
  there=$(kubectl get nodes --output \
    'jsonpath={range .items[*]}{.metadata.name} {.spec.providerID} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}') || return
  while read -r node provider ready; do
    [[ $provider == kind://*/"$CLUSTER"/* && " ${nodes[*]} " != *" $node "* ]] || continue
    heard kubectl taint nodes "$node" kalico/no-network:NoSchedule --overwrite || return
    if [ "$ready" = True ] && running "$node"; then
      continue
    fi
    heard kubectl delete node "$node" || return
    heard kubectl delete pods --all-namespaces --field-selector "spec.nodeName=$node" --force --grace-period 0 \
      --wait=false || return
  done <<<"$there"
}

# What a command says where it fails, and nothing else of it.
heard() {
  local said
  said=$("$@" 2>&1 </dev/null) || { echo "$said" >&2 && return 1; }
}

mapfile -t nodes
close_others </dev/null &
asked=($!) failed=0
for node in "${nodes[@]}"; do
  open_up "$node" </dev/null &
  asked+=($!)
done
for each in "${asked[@]}"; do
  wait "$each" || failed=$?
done
exit "$failed"
