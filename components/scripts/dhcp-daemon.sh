#!/usr/bin/env bash
# Has the daemon of the dhcp plugin run in NODE, under systemd: it comes back when it ends, and with the node. Then
# LEASES, the text of kalico-dhcp-leases.sh, has it take up the leases of the pods that are there, which it keeps in
# its memory alone. Its socket goes when it ends, so that a look at the node tells. SECONDS_AT_MOST ends the wait for
# the plugin to be answered. Leaves a mark in the node with BECAUSE, why this runs (see node-look.sh).
set -euo pipefail
: "${ENGINE:?}" "${NODE:?}" "${LEASES:?}" "${SECONDS_AT_MOST:?}"
. in-node.sh
unit=/etc/systemd/system/kalico-dhcp.service leases=/usr/local/bin/kalico-dhcp-leases socket=/run/cni/dhcp.sock

# Asks for the end of a lease that nobody has, which the daemon allows.
answers() {
  "$ENGINE" exec --interactive "$NODE" env CNI_COMMAND=DEL CNI_CONTAINERID=kalico CNI_IFNAME=none CNI_NETNS=none \
    CNI_PATH=/opt/cni/bin /opt/cni/bin/dhcp 2>&1 \
    <<<'{"cniVersion": "0.3.1", "name": "kalico", "type": "dhcp", "ipam": {"type": "dhcp"}}'
}

"$ENGINE" exec --interactive "$NODE" install -D -m 0644 /dev/stdin "$unit" <<END
[Unit]
Description=Leases of the dhcp CNI plugin
StartLimitIntervalSec=0

[Service]
ExecStartPre=/bin/rm -f $socket
ExecStart=/opt/cni/bin/dhcp daemon
ExecStartPost=-$leases
ExecStopPost=/bin/rm -f $socket
TimeoutStartSec=infinity
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
END
printf '%s' "$LEASES" | "$ENGINE" exec --interactive "$NODE" install -D -m 0755 /dev/stdin "$leases"
"$ENGINE" exec "$NODE" systemctl daemon-reload </dev/null
"$ENGINE" exec "$NODE" systemctl --quiet enable kalico-dhcp </dev/null
"$ENGINE" exec "$NODE" systemctl stop kalico-dhcp </dev/null # of other plugins, if it runs
"$ENGINE" exec "$NODE" systemctl --no-block start kalico-dhcp </dev/null
until said=$(answers); do
  if [ $SECONDS -ge "$SECONDS_AT_MOST" ]; then
    echo "the dhcp plugin's daemon does not answer on $NODE: $said" >&2
    "$ENGINE" exec "$NODE" journalctl --unit kalico-dhcp --lines 5 --no-pager >&2 </dev/null
    exit 1
  fi
  sleep 0.2
done
mark dhcp "$unit $leases $socket"
