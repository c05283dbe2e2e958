#!/usr/bin/env bash
# Gives Calico's operator (v1.36) the CA that it would otherwise make: two of its controllers race for that, the second CA
# replaces the first, and Typha and calico-node are rolled out again. Does nothing where it is there already.
# The key is made here, goes to the cluster and nowhere else.
set -euo pipefail
: "${RUN:?}"
export KUBECONFIG="$RUN/kubeconfig"

if kubectl get secret --namespace tigera-operator tigera-ca-private >/dev/null 2>&1; then
  exit 0
fi
folder=$(umask 077 && mktemp --directory)
trap 'rm -rf "$folder"' EXIT
# The name is how the operator knows its own authority.
openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=tigera-operator-signer \
  -keyout "$folder/tls.key" -out "$folder/tls.crt" 2>/dev/null
kubectl create secret tls tigera-ca-private --namespace tigera-operator \
  --key "$folder/tls.key" --cert "$folder/tls.crt" >/dev/null
