#!/usr/bin/env bash
# Puts the CNI plugins of ARCHIVE (a tgz for ARCH) into /opt/cni/bin of each node; the machine's own is left alone.
# Beside them goes the lab's own, kalico-routes, whose text is ROUTES_PLUGIN.
# Reads the nodes on stdin, one a line. Prints a line a node: NODE and what its macvlan says it is.
# Leaves a mark in each node with BECAUSE, why this runs (see node-look.sh).
set -euo pipefail
: "${ENGINE:?}" "${ARCHIVE:?}" "${ARCH:?}" "${ROUTES_PLUGIN:?}"
routes=/opt/cni/bin/kalico-routes

mapfile -t nodes
for node in "${nodes[@]}"; do
  machine=$("$ENGINE" exec "$node" uname -m)
  case "$machine" in
    x86_64) found=amd64 ;;
    aarch64) found=arm64 ;;
    *) found=$machine ;;
  esac
  if [ "$found" != "$ARCH" ]; then
    echo "$node is $found, the plugins are for $ARCH" >&2
    exit 1
  fi
  names=$("$ENGINE" exec --interactive "$node" \
    tar --extract --verbose --gzip --directory /opt/cni/bin --no-same-owner <"$ARCHIVE")
  mapfile -t files <<<"$names"
  files=("${files[@]/#.\//}")
  files=("${files[@]/#//opt/cni/bin/}")
  printf '%s' "$ROUTES_PLUGIN" | "$ENGINE" exec --interactive "$node" install -m 0755 /dev/stdin "$routes"
  # shellcheck disable=SC2016 # expanded in the node
  "$ENGINE" exec --interactive "$node" bash -c 'mkdir -p /run/kalico && cat >"/run/kalico/$1"' mark plugins \
    <<<"${BECAUSE:-}"$'\n'"${files[*]} $routes"
  said=$("$ENGINE" exec "$node" /opt/cni/bin/macvlan 2>&1 </dev/null)
  echo "$node ${said%%$'\n'*}"
done
