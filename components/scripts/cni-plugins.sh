#!/usr/bin/env bash
# Puts the CNI plugins of ARCHIVE (a tgz for ARCH) into /opt/cni/bin of NODE; the machine's own is left alone. Beside
# them goes the lab's own, kalico-routes, whose text is ROUTES_PLUGIN. Prints NODE and what its macvlan says it is.
# Leaves a mark in the node with BECAUSE, why this runs (see node-look.sh).
set -euo pipefail
: "${ENGINE:?}" "${NODE:?}" "${ARCHIVE:?}" "${ARCH:?}" "${ROUTES_PLUGIN:?}"
. in-node.sh
routes=/opt/cni/bin/kalico-routes

machine=$("$ENGINE" exec "$NODE" uname -m)
case "$machine" in
  x86_64) found=amd64 ;;
  aarch64) found=arm64 ;;
  *) found=$machine ;;
esac
if [ "$found" != "$ARCH" ]; then
  echo "$NODE is $found, the plugins are for $ARCH" >&2
  exit 1
fi
names=$("$ENGINE" exec --interactive "$NODE" \
  tar --extract --verbose --gzip --directory /opt/cni/bin --no-same-owner <"$ARCHIVE")
mapfile -t files <<<"$names"
files=("${files[@]/#.\//}")
files=("${files[@]/#//opt/cni/bin/}")
printf '%s' "$ROUTES_PLUGIN" | "$ENGINE" exec --interactive "$NODE" install -m 0755 /dev/stdin "$routes"
mark plugins "${files[*]} $routes"
if ! said=$("$ENGINE" exec "$NODE" /opt/cni/bin/macvlan 2>&1 </dev/null); then
  echo "$NODE: there is no macvlan that runs in $ARCHIVE: $said" >&2
  exit 1
fi
echo "$NODE ${said%%$'\n'*}"
