#!/usr/bin/env bash
# Waits until what a daemon of the cluster puts on its node is on every node. Of Multus that is its conf: a pod that is
# made without it gets no net1, and no error. The daemon writes when it starts, and never again: where it was there before,
# which the node's mark tells, and a file is gone, it is started anew; one that has only begun is let be.
# DAEMON is the `app` of its pods, FILES are the paths and NODES the nodes, with blanks between. SECONDS_AT_MOST ends
# the wait. Leaves the mark DAEMON in each node, with BECAUSE, why this runs (see node-look.sh).
# KEPT is one of FILES that the daemon takes away when it ends: a kubelet that starts has it back, so that no pod of a node
# that was started again begins before the daemon does.
set -euo pipefail
: "${ENGINE:?}" "${RUN:?}" "${DAEMON:?}" "${FILES:?}" "${NODES:?}" "${SECONDS_AT_MOST:?}"
export KUBECONFIG="$RUN/kubeconfig"
read -ra files <<<"$FILES"
read -ra nodes <<<"$NODES"

for node in "${nodes[@]}"; do
  # shellcheck disable=SC2016 # expanded in the node
  gone=$("$ENGINE" exec "$node" bash -c '
    [ -e "/run/kalico/$1" ] || exit 0 # nor is it there after a start of the node, when the daemon starts, too
    shift
    for file in "$@"; do [ -e "$file" ] || echo "$file"; done
  ' look "$DAEMON" "${files[@]}")
  if [ -n "$gone" ]; then
    kubectl delete pods --namespace kube-system --selector "app=$DAEMON" --field-selector "spec.nodeName=$node" >/dev/null
  fi
done
for node in "${nodes[@]}"; do
  # shellcheck disable=SC2016 # expanded in the node
  "$ENGINE" exec --interactive "$node" bash -c '
    daemon=$1 seconds=$2 kept=$3
    shift 3
    for file in "$@"; do
      until [ -s "$file" ]; do
        if [ $SECONDS -ge "$seconds" ]; then
          echo "$(hostname) has no $file: $daemon does not run there" >&2
          exit 1
        fi
        sleep 0.2
      done
    done
    if [ -n "$kept" ]; then
      mkdir -p /etc/kalico /etc/systemd/system/kubelet.service.d
      cp "$kept" /etc/kalico/
      printf "[Service]\nExecStartPre=-/bin/cp --no-clobber /etc/kalico/%s %s\n" "${kept##*/}" "$kept" \
        >/etc/systemd/system/kubelet.service.d/20-kalico.conf # read by the systemd of the next start
    fi
    mkdir -p /run/kalico && cat >"/run/kalico/$daemon"
  ' wait "$DAEMON" "$SECONDS_AT_MOST" "${KEPT:-}" "${files[@]}" <<<"${BECAUSE:-}"$'\n'"$FILES"
done
