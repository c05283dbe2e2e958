#!/usr/bin/env bash
# Waits until every node and every pod of the cluster is Ready, then says what really runs, asked of the running
# things. Prints a line a thing: THING VERSION. WHEREABOUTS is set where the lab has it, and SERVER, a container, where
# the lab has a DHCP server. SECONDS_AT_MOST ends the wait with what is not Ready.
set -euo pipefail
: "${ENGINE:?}" "${RUN:?}" "${WORKER:?}" "${SECONDS_AT_MOST:?}"
export KUBECONFIG="$RUN/kubeconfig"

folder=$(mktemp --directory)
trap 'rm -rf "$folder"' EXIT

# THING STATUS COMMAND...: the first line of what the command says; it has to end with STATUS.
told() {
  local thing=$1 status=$2 errors="$folder/$1.errors" said ended=0 all
  shift 2
  said=$("$@" 2>"$errors" </dev/null) || ended=$?
  all=$said$(<"$errors")
  # Some tell it on stderr, where kubectl may have a log line of its own (E1125 18:22:01.305152 ...).
  [ -n "$said" ] || said=$(grep -vE '^[IWE][0-9]{4} ' "$errors") || true
  if [ "$ended" -ne "$status" ] || [ -z "$said" ]; then
    echo "cannot tell the version of $thing: $all" >&2
    exit 1
  fi
  printf '%s %s\n' "$thing" "${said%%$'\n'*}"
}

tell() {
  told "$@" >"$folder/$1" &
  answers+=("$! $1")
}

# NAMESPACE DAEMONSET CONTAINER COMMAND...: asked in its pod on WORKER. (Of a DaemonSet as such kubectl may ask a pod whose
# node has left, and which is listed for some time yet.)
in_pod() {
  local namespace=$1 daemonset=$2 container=$3 pods name owner
  shift 3
  pods=$(kubectl get pods --namespace "$namespace" --field-selector "spec.nodeName=$WORKER" --output 'go-template=
    {{- range .items}}{{if not .metadata.deletionTimestamp}}
      {{- .metadata.name}}{{range .metadata.ownerReferences}} {{.name}}{{end}}{{"\n"}}
    {{- end}}{{end}}')
  while read -r name owner; do
    [ "$owner" != "$daemonset" ] || break
  done <<<"$pods"
  kubectl exec --namespace "$namespace" "$name" --container "$container" -- "$@"
}

# Waits until all of a kind are Ready, of those that are there then. `kubectl wait` lists them once and asks for one after
# the other, which takes seconds also when all are Ready, and for one that was replaced meanwhile it fails.
all_ready() {
  local states lacking deadline=$((SECONDS + SECONDS_AT_MOST))
  while :; do
    states=$(kubectl get "$@" --output \
      'jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name}={.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}')
    mapfile -t lacking < <(sed -nE '/=True$/!s,^/?(.*)=.*,\1,p' <<<"$states")
    [ ${#lacking[@]} -gt 0 ] || return 0
    [ $SECONDS -lt $deadline ] || break
    sleep 0.5
  done
  echo "$1 that are not Ready after $SECONDS_AT_MOST s: ${lacking[*]}" >&2
  exit 1
}

all_ready nodes
all_ready pods --all-namespaces --field-selector 'status.phase!=Succeeded,status.phase!=Failed' # not those that have ended

# All are asked at once, and told in this order.
answers=()
tell kubernetes 0 kubectl get node "$WORKER" --output 'jsonpath={.status.nodeInfo.kubeletVersion}'
tell containerd 0 kubectl get node "$WORKER" --output 'jsonpath={.status.nodeInfo.containerRuntimeVersion}'
tell calico 0 in_pod calico-system calico-node calico-node calico-node -v
# Multus ends with 4 when it is asked for its version.
tell multus 4 in_pod kube-system kube-multus-ds kube-multus /usr/src/multus-cni/bin/multus-daemon -version
tell cni-plugins 0 "$ENGINE" exec "$WORKER" /opt/cni/bin/macvlan
if [ -n "${WHEREABOUTS:-}" ]; then
  tell whereabouts 0 "$ENGINE" exec "$WORKER" /opt/cni/bin/whereabouts
fi
[ -z "${SERVER:-}" ] || tell dnsmasq 0 "$ENGINE" exec "$SERVER" dnsmasq --version
tell "$ENGINE" 0 "$ENGINE" version --format '{{.Server.Version}}'
tell kind 0 kind version
failed=''
for each in "${answers[@]}"; do
  wait "${each%% *}" || failed=1
done
[ -z "$failed" ] || exit 1
for each in "${answers[@]}"; do
  cat "$folder/${each#* }"
done
