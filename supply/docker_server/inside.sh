#!/usr/bin/env bash
# Becomes dockerd in the root file system ROOT, with its data in DATA and its socket in RUN; new networks take their
# addresses from POOL. Started by `unshare --mount`, so that all its mounts go with it. Does not change ROOT, does not
# read the machine's docker configuration, does not touch the firewall (see __init__.py).
#
# Not a chroot: runc's exec would then land outside the container.
set -euo pipefail
: "${ROOT:?}" "${DATA:?}" "${RUN:?}" "${POOL:?}"

mount --bind "$ROOT" "$ROOT"
for folder in proc sys dev; do
  mount --rbind "/$folder" "$ROOT/$folder"
done
for folder in run tmp; do
  mount -t tmpfs -o mode=755 tmpfs "$ROOT/$folder"
done
mkdir "$ROOT/run/kalico"
mount --bind "$RUN" "$ROOT/run/kalico"
mount --bind "$DATA" "$ROOT/var/lib/docker"
if [ -d /lib/modules ]; then
  mount --rbind /lib/modules "$ROOT/usr/lib/modules"
fi
if [ -e /etc/resolv.conf ]; then
  cat /etc/resolv.conf >"$ROOT/run/resolv.conf"
  mount --bind "$ROOT/run/resolv.conf" "$ROOT/etc/resolv.conf"
fi
mount -o remount,bind,ro "$ROOT"

cd "$ROOT"
pivot_root . .
umount -l .
cd /
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/tmp
exec dockerd --host unix:///run/kalico/docker.sock --group root --pidfile /run/kalico/dockerd.pid \
  --data-root /var/lib/docker --bridge none --iptables=false --ip6tables=false \
  --default-address-pool "base=$POOL,size=24"
