#!/usr/bin/env bash
# Ends the daemon of the dhcp plugin in NODE and takes its unit away. Does not mind a node that is gone, or does not run.
set -euo pipefail
: "${ENGINE:?}" "${NODE:?}"
. in-node.sh

running "$NODE" || exit 0
"$ENGINE" exec "$NODE" bash -c '
  ! [ -e /etc/systemd/system/kalico-dhcp.service ] || systemctl --quiet disable --now kalico-dhcp
  rm -f /etc/systemd/system/kalico-dhcp.service /usr/local/bin/kalico-dhcp-leases /run/kalico/dhcp /run/kalico/.dhcp
  systemctl daemon-reload
'
