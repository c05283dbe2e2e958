#!/usr/bin/env bash
# Runs dockerd in the root file system ROOT, with its data in DATA and its socket in RUN, until it is told to stop
# (SIGTERM); then takes away the bridges and firewall chains it made. Started by `unshare --mount`, so that all its
# mounts go with it. Does not change ROOT, does not read the machine's docker configuration.
#
# Not a chroot: runc's exec would then land outside the container.
set -euo pipefail
: "${ROOT:?}" "${DATA:?}" "${RUN:?}"

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

# dockerd turns forwarding on, and when it does, drops whatever else the machine forwards: turn it on before.
echo 1 >/proc/sys/net/ipv4/ip_forward

dockerd --host unix:///run/kalico/docker.sock --group root \
  --pidfile /run/kalico/dockerd.pid --data-root /var/lib/docker &
server=$!
trap 'kill "$server"' TERM INT
wait "$server" || true # until the signal, or dockerd's own end
trap '' TERM INT
code=0
wait "$server" || code=$?

ours() { # is the bridge br-ID that of a network in the server's own records?
  grep -aq "${1#br-}" /var/lib/docker/network/files/local-kv.db
}
for bridge in docker0 $(ip -o link show type bridge | sed -n 's/^[0-9]*: \(br-[0-9a-f]\{12\}\):.*/\1/p'); do
  if [ "$bridge" = docker0 ] || ours "$bridge"; then
    ip link delete "$bridge" 2>/dev/null || true
  fi
done
for command in iptables ip6tables; do
  for table in filter nat; do
    rules=$("$command" -t "$table" -S 2>/dev/null | grep -E '^-A (INPUT|FORWARD|OUTPUT|PREROUTING|POSTROUTING) .*(DOCKER|docker0| br-[0-9a-f]{12})' || true)
    while read -r rule; do
      [ -z "$rule" ] || xargs "$command" -t "$table" -D <<<"${rule#-A }" || true
    done <<<"$rules"
    chains=$("$command" -t "$table" -S 2>/dev/null | sed -n 's/^-N \(DOCKER.*\)/\1/p')
    for chain in $chains; do "$command" -t "$table" -F "$chain" || true; done
    for chain in $chains; do "$command" -t "$table" -X "$chain" || true; done
  done
done
exit "$code"
