#!/usr/bin/env bash
# Imports the images of ARCHIVE into the containerd of the root file system ROOT and stops it again.
# The unpacked layers then move out of /var into the folder LAYERS of the root, with links in their place: an engine
# copies an image's /var for every node, and so does not copy them.
# Runs in mount and process namespaces of its own (unshare), so that nothing is left mounted or running.
# Does not start any container.
set -euo pipefail
: "${ROOT:?}" "${ARCHIVE:?}" "${LOG:?}" "${LAYERS:?}"

mount --bind "$ROOT" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /sys "$ROOT/sys"
mount --rbind /dev "$ROOT/dev"
mount -t tmpfs tmpfs "$ROOT/run"
mount -t tmpfs tmpfs "$ROOT/tmp"
touch "$ROOT/tmp/images.tar"
mount --bind "$ARCHIVE" "$ROOT/tmp/images.tar"

chroot "$ROOT" /usr/local/bin/containerd >"$LOG" 2>&1 &
server=$!
for _ in $(seq 100); do
  if chroot "$ROOT" ctr version >/dev/null 2>&1; then break; fi
  kill -0 "$server" || { tail -5 "$LOG" >&2; exit 1; }
  sleep 0.1
done
chroot "$ROOT" ctr --namespace k8s.io images import --all-platforms --discard-unpacked-layers /tmp/images.tar
# the layers are unpacked: their tars can go, which halves the image
chroot "$ROOT" ctr --namespace k8s.io content prune references >/dev/null
chroot "$ROOT" ctr --namespace k8s.io images list --quiet | sed 's/^/preloaded /'
kill "$server"
wait "$server" || true

snapshots=$ROOT/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots
mkdir -p "$ROOT$LAYERS"
for layer in "$snapshots"/*; do
  mv "$layer/fs" "$ROOT$LAYERS/${layer##*/}"
  ln -s "$LAYERS/${layer##*/}" "$layer/fs"
done
