#!/usr/bin/env bash
# Spares Calico's start the waits for probes that the operator (v1.36) lets look only every 30 s. It speeds things up and
# judges nothing: it ends well when the Installation is Ready, and after SECONDS_AT_MOST.
# - Felix finds Typha by the endpoints of a Service, hence only once Typha has been probed; until then pods that start
#   have no way to the API. Endpoints that need not be Ready have Felix connect at once. (The operator takes that back
#   in its next pass, when all are Ready.)
# - A kubelet also probes when a pod that is not Ready changes: such pods get an annotation with the second of the look.
set -euo pipefail
: "${RUN:?}" "${SECONDS_AT_MOST:?}"
export KUBECONFIG="$RUN/kubeconfig"

system() {
  kubectl --namespace calico-system "$@" 2>/dev/null
}

# (One process that waits takes less of a small machine than many that look.)
system wait --for=create service/calico-typha --timeout "${SECONDS_AT_MOST}s" >/dev/null || exit 0
system patch service calico-typha --patch '{"spec":{"publishNotReadyAddresses":true}}' >/dev/null || true
while [ $SECONDS -lt "$SECONDS_AT_MOST" ]; do
  running=$(system get pods --field-selector status.phase=Running --output \
    'jsonpath={range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}') || running=
  mapfile -t waiting < <(awk '$2 == "False" { print $1 }' <<<"$running")
  if [ ${#waiting[@]} -gt 0 ]; then
    system annotate pods --overwrite "${waiting[@]}" "kalico/looked-at=$SECONDS" >/dev/null || true
  elif [ "$(system get installation default --output 'jsonpath={.status.conditions[?(@.type=="Ready")].status}')" = True ]; then
    break
  fi
  sleep 1
done
