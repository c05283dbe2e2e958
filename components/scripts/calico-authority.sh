#!/usr/bin/env bash
# Gives Calico's operator (v1.36) the CA that it would otherwise make: two of its controllers race for that, the second CA
# replaces the first, and Typha and calico-node are rolled out again. Does nothing where it is there already.
# The key is made here, goes to the cluster and nowhere else.
set -euo pipefail
: "${RUN:?}"
export KUBECONFIG="$RUN/kubeconfig"

folder=$(umask 077 && mktemp --directory)
trap 'rm -rf "$folder"' EXIT
# The name is how the operator knows its own authority; it signs for RSA keys alone.
if ! said=$(openssl req -x509 -newkey rsa:2048 -nodes -days 3650 \
  -subj /CN=tigera-operator-signer -keyout "$folder/tls.key" -out "$folder/tls.crt" 2>&1); then
  echo "no certificate authority for Calico: $said" >&2
  exit 1
fi
if ! said=$(kubectl create secret tls tigera-ca-private --namespace tigera-operator \
  --key "$folder/tls.key" --cert "$folder/tls.crt" 2>&1) && [[ $said != *AlreadyExists* && $said != *"already exists"* ]]; then
  echo "$said" >&2
  exit 1
fi
