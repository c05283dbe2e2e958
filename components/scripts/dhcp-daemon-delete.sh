#!/usr/bin/env bash
# Ends the daemon of the dhcp plugin in nodes and takes its unit away. Reads the nodes on stdin, one a line. Does not
# mind one that is gone, or does not run.
set -euo pipefail
: "${ENGINE:?}"

while read -r node; do
  [ "$("$ENGINE" inspect --format '{{.State.Running}}' "$node" 2>/dev/null </dev/null)" = true ] || continue
  "$ENGINE" exec "$node" bash -c '
    ! [ -e /etc/systemd/system/kalico-dhcp.service ] || systemctl --quiet disable --now kalico-dhcp
    rm -f /etc/systemd/system/kalico-dhcp.service /usr/local/bin/kalico-dhcp-leases /run/kalico/dhcp /run/kalico/.dhcp
    systemctl daemon-reload
  ' </dev/null
done
