#!/usr/bin/env bash
# A CNI plugin, chained behind the one that makes an interface: by which way a pod's packets leave. `defaultRoute` says
# source: what is bound to the interface's address leaves by its gateway, through a rule and a table of its own; the
#   network itself stays in the main table, for any socket; all else leaves by eth0 as before.
# net1: the pod's default route is by the interface's gateway; `keep` and the node's own subnets stay on eth0.
# The gateway is `gateway` (one, or one a family), else the result's; a family without one stays as it is. Addresses of
# IPv6 are waited for: an IPAM plugin that names no gateway leaves them tentative.
# Reads the config with its `prevResult` on stdin and prints that result. DEL leaves nothing: all is in the pod.
set -euo pipefail
: "${CNI_COMMAND:?}"
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin # Multus hands its own on

fail() { # CODE MESSAGE, as CNI has errors
  jq --null-input --compact-output --arg version "${version:-0.3.1}" --argjson code "$1" --arg message "$2" \
    '{cniVersion: $version, code: $code, msg: "kalico-routes: \($message)"}'
  exit 1
}

in_pod() { nsenter --net="$CNI_NETNS" ip "$@"; }

table() { # of the interface: 0 to 255 have uses of their own
  local link
  link=$(in_pod -oneline link show dev "$CNI_IFNAME")
  echo $((1000 + ${link%%:*}))
}

settled() { # whether the interface's addresses of IPv6 can be used, which takes the kernel up to two seconds
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    if [ -n "$(in_pod -6 address show dev "$CNI_IFNAME" dadfailed)" ]; then
      echo "another has its address"
      return 1
    fi
    [ -n "$(in_pod -6 address show dev "$CNI_IFNAME" tentative)" ] || return 0
    sleep 0.1
  done
  echo "its addresses are still tentative"
  return 1
}

# The steps, each with FAMILY ADDRESS GATEWAY. What they say is what is wrong.

add_source() {
  local table routes route
  [ "$1" = 4 ] || settled
  table=$(table)
  in_pod "-$1" route flush exact default dev "$CNI_IFNAME" # a lease may bring one
  routes=$(in_pod -json "-$1" route show table main dev "$CNI_IFNAME" |
    jq --raw-output '.[] | .dst + (if .gateway then " via " + .gateway else "" end)')
  while read -r -a route; do
    [ ${#route[@]} -eq 0 ] || in_pod "-$1" route replace "${route[@]}" dev "$CNI_IFNAME" table "$table"
  done <<<"$routes"
  in_pod "-$1" route replace default via "$3" dev "$CNI_IFNAME" table "$table"
  in_pod "-$1" rule add from "$2" lookup "$table"
}

check_source() {
  local table
  table=$(table)
  if [ -z "$(in_pod "-$1" rule show from "$2" table "$table")" ]; then
    echo "there is no rule for $2"
    return 1
  fi
  if [[ "$(in_pod "-$1" route show default dev "$CNI_IFNAME" table "$table") " != "default via $3 "* ]]; then
    echo "table $table does not lead to $3"
    return 1
  fi
}

kept() { # subnets of the family, one a line
  jq --raw-output --arg family "$1" '.keep[]? | select(contains(":") == ($family == "6"))' <<<"$config"
  ip -json "-$1" route show dev eth0 proto kernel | jq --raw-output '.[].dst | select(startswith("fe80:") | not)'
}

add_net1() {
  local eth0 subnets subnet
  [ "$1" = 4 ] || settled
  eth0=$(in_pod -json "-$1" route show default dev eth0 | jq --raw-output '.[0].gateway // empty')
  subnets=$(kept "$1")
  if [ -n "$eth0" ]; then # else the pod has no such family there, or another network was before
    for subnet in $subnets; do
      in_pod "-$1" route replace "$subnet" via "$eth0" dev eth0
    done
  fi
  in_pod "-$1" route flush exact default
  in_pod "-$1" route add default via "$3" dev "$CNI_IFNAME"
}

check_net1() {
  if [[ "$(in_pod "-$1" route show default)" != "default via $3 dev $CNI_IFNAME "* ]]; then
    echo "the default route is not by $3 on $CNI_IFNAME"
    return 1
  fi
}

case $CNI_COMMAND in
  VERSION)
    echo '{"cniVersion":"1.0.0","supportedVersions":["0.3.0","0.3.1","0.4.0","1.0.0"]}'
    exit
    ;;
  DEL) exit ;;
  ADD) step=add ;;
  CHECK) step=check ;;
  *) fail 4 "CNI_COMMAND is $CNI_COMMAND" ;;
esac
[ -n "${CNI_NETNS:-}" ] && [ -n "${CNI_IFNAME:-}" ] || fail 4 "CNI_NETNS and CNI_IFNAME are needed"
config=$(cat)
jq --slurp --exit-status 'map(type) == ["object"]' <<<"$config" >/dev/null 2>&1 || fail 6 "the config is no JSON object"
version=$(jq --raw-output .cniVersion <<<"$config")
jq --exit-status .prevResult.ips <<<"$config" >/dev/null || fail 7 "it has to follow a plugin that gives addresses"
way=$(jq --raw-output .defaultRoute <<<"$config")
[ "$way" = source ] || [ "$way" = net1 ] || fail 7 "defaultRoute is $way, neither source nor net1"
addresses=$(jq --raw-output --arg interface "$CNI_IFNAME" '
  ([.gateway // empty] | flatten) as $given
  | .prevResult.interfaces as $interfaces
  | .prevResult.ips[]
  | select(.interface == null or $interfaces[.interface].name == $interface)
  | (.address | split("/")[0]) as $address
  | ($address | contains(":")) as $six
  | ((if $given == [] then .gateway else first($given[] | select(contains(":") == $six)) end) // empty) as $gateway
  | "\(if $six then 6 else 4 end) \($address) \($gateway)"' <<<"$config")
[ -n "$addresses" ] || [ "$way" = source ] || fail 7 "$CNI_IFNAME has no gateway"
while read -r family address gateway; do
  [ -n "$family" ] || continue
  set +e
  said=$(set -e && "${step}_$way" "$family" "$address" "$gateway" 2>&1 </dev/null)
  ended=$?
  set -e
  [ "$ended" -eq 0 ] || fail 100 "$CNI_IFNAME: $said"
done <<<"$addresses"
[ "$step" = check ] || jq --compact-output .prevResult <<<"$config"
