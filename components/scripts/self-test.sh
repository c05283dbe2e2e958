#!/usr/bin/env bash
# Run in a node: answers questions about the pods there, from within their network namespaces. The tools are the node's,
# so any image will do, and nothing is left in the pod. A peer, of the same image, answers about itself.
# Reads requests on stdin, one a line: an ID, what to do and its words. Prints a line for each: the ID, `ok` or `failed`,
# what was found. `sync` is answered with `sync` when all before it are. The end of stdin ends the listeners.
#   ID pod POD NAME NAMESPACE                finds the pod, which later requests call POD; tells its links and routes as JSON
#   ID here POD                              the same of where this runs, which is no pod
#   ID serve POD DEVICE ADDRESS PORT         listens there, TCP and UDP, and sends back what comes
#   ID near POD DEVICE ADDRESS TARGET        the MAC that ARP (or ND) finds for TARGET
#   ID sole POD DEVICE ADDRESS               the MACs of whoever else answers ARP (or ND) for the pod's own ADDRESS, all of it
#   ID tcp POD DEVICE ADDRESS TARGET PORT    a line there and back; the least of three round trips in ms
#   ID large POD DEVICE ADDRESS TARGET PORT SIZE   a datagram of SIZE bytes there and back that may not be fragmented
#   ID name POD NAME                         what the pod's own name servers say, asked once; address and ms
#   ID api POD ADDRESS                       whether the cluster's API answers at ADDRESS; HTTP's status and ms
#   ID way POD ADDRESS                       by which gateway and link what is bound to ADDRESS leaves for far away
#   ID state POD                             addresses, routes, rules and neighbours, for who has to look further
#   ID journal NAME                          the last of what kubelet and containerd, which runs the plugins, say of NAME,
#                                            and of the leases that a daemon of dhcp did not get again
#   ID links                                 the node's own links with their addresses
# DEVICE is `-` where the socket is bound to its address alone.
set -euo pipefail

declare -A enter resolver # by POD, the words that lead into its network namespace
listeners=()
scratch=$(mktemp --directory)
# A peer's process 1 takes no children over: what is started there has to be waited for.
trap 'kill "${listeners[@]}" 2>/dev/null && wait "${listeners[@]}" || true; rm -rf "$scratch"' EXIT

in_pod() {
  local pod=$1
  shift
  # shellcheck disable=SC2086 # words
  ${enter[$pod]} "$@"
}

# Of an address: its family, itself as socat writes it, what binds a socket to it.
family() {
  if [[ $1 == *:* ]]; then echo 6; else echo 4; fi
}
written() {
  if [[ $1 == *:* ]]; then echo "[$1]"; else echo "$1"; fi
}
bound() {
  local device=$1 address=$2
  echo "bind=$(written "$address")$([ "$device" = - ] || echo ",so-bindtodevice=$device")"
}
# For a socket that may not fragment. (IPv6 fragments at the sender alone, and not what fits its MTU.)
whole() {
  if [[ $1 != *:* ]]; then echo ",ip-mtu-discover=2"; fi
}

milliseconds() { # since FROM, of EPOCHREALTIME
  local now=$EPOCHREALTIME
  local micro=$((${now/[.,]/} - ${1/[.,]/}))
  printf '%d.%02d' $((micro / 1000)) $((micro % 1000 / 10))
}

last_line() { # of a file, without socat's date and name
  local said
  said=$(tail -n 1 "$1" 2>/dev/null) || said=
  said=${said##* E }
  echo "${said:-no answer}"
}

json() { # `[]` where ip has nothing to say
  local said
  said=$("$@") || said=
  echo "${said:-[]}"
}

pod() {
  local pod=$1 name=$2 namespace=$3 label='labels."io.kubernetes.pod' sandboxes id process status
  tasks=${tasks-$(ctr --namespace k8s.io tasks list)} || exit 1
  sandboxes=$(ctr --namespace k8s.io containers list --quiet \
    "labels.\"io.cri-containerd.kind\"==\"sandbox\",$label.name\"==\"$name\",$label.namespace\"==\"$namespace\"")
  # One that has ended may still be listed.
  while read -r id process status; do
    [[ $status == RUNNING && $'\n'$sandboxes$'\n' == *$'\n'$id$'\n'* ]] || continue
    enter[$pod]="nsenter --target $process --net --"
    resolver[$pod]=$scratch/${pod//\//.}.resolv
    cat "/proc/$process/root/etc/resolv.conf" >"${resolver[$pod]}" 2>/dev/null || true
  done <<<"$tasks"
  if [ -z "${enter[$pod]:-}" ]; then
    echo "failed it does not run on this node"
    return
  fi
  seen "$pod"
}

here() {
  enter[$1]=
  seen "$1"
}

seen() {
  local pod=$1
  printf 'ok {"links": %s, "routes": [%s, %s]}\n' "$(json in_pod "$pod" ip -json address show)" \
    "$(json in_pod "$pod" ip -4 -json route show)" "$(json in_pod "$pod" ip -6 -json route show)"
}

# The wait ends when both are bound, not when they have been started.
serve() {
  local pod=$1 device=$2 address=$3 port=$4 tries listening
  # shellcheck disable=SC2086 # words
  timeout 300 ${enter[$pod]} socat -b 65536 \
    "TCP$(family "$address")-LISTEN:$port,$(bound "$device" "$address"),reuseaddr,fork" PIPE \
    2>"$scratch/serve" >/dev/null </dev/null &
  listeners+=($!)
  # shellcheck disable=SC2086 # words
  timeout 300 ${enter[$pod]} socat -b 65536 -t 1 \
    "UDP$(family "$address")-RECVFROM:$port,$(bound "$device" "$address")$(whole "$address"),fork" PIPE \
    2>>"$scratch/serve" >/dev/null </dev/null &
  listeners+=($!)
  for ((tries = 0; tries < 100; tries++)); do
    listening=$(in_pod "$pod" ss --no-header --listening --numeric --tcp --udp "sport = :$port")
    if [[ $listening == *tcp* && $listening == *udp* ]]; then
      echo ok
      return
    fi
    sleep 0.02
  done
  echo "failed nothing can listen on $address port $port: $(last_line "$scratch/serve")"
}

near() {
  local pod=$1 device=$2 address=$3 target=$4 on=() entry tries
  [ "$device" = - ] || on=(dev "$device")
  # What was known may be out of date.
  if [ "$device" != - ]; then in_pod "$pod" ip neighbour delete "$target" dev "$device" 2>/dev/null || true; fi
  in_pod "$pod" socat -u - "UDP$(family "$target")-SENDTO:$(written "$target"):9,$(bound "$device" "$address")" \
    <<<kalico 2>"$scratch/$id" || true
  for ((tries = 0; tries < 30; tries++)); do
    entry=$(in_pod "$pod" ip neighbour show to "$target" "${on[@]}")
    case "$entry" in
      *lladdr*)
        entry=${entry#*lladdr }
        echo "ok ${entry%% *}"
        return
        ;;
      *FAILED*) break ;;
    esac
    sleep 0.1
  done
  echo "failed no neighbour $target answers"
}

# By a probe as of RFC 5227 (of IPv6 RFC 4862), whose sender has no address yet; what the pod itself has, it does not
# answer itself.
sole() {
  local pod=$1 device=$2 address=$3 mac target probe answer fields said
  mac=$(in_pod "$pod" ip -oneline link show dev "$device")
  mac=${mac#*link/ether }
  mac=${mac%% *}
  mac=${mac//:/}
  # Of an answer: that it is one, its sender's address and MAC, and which bytes of that are the MAC.
  if [[ $address == *:* ]]; then
    target=${address//:/}
    probe=$(solicitation "$mac" "$target")
    answer="86 dd 6.( ..){5} 3a ff( ..){32} 88 00( ..){6}$(pieces "$target" 2 ' ') 02 01( ..){6}" fields=69-74
  else
    # shellcheck disable=SC2086 # words
    printf -v target %02x ${address//./ }
    probe=ffffffffffff${mac}08060001080006040001$mac$(printf %020d 0)$target
    answer="08 06 00 01 08 00 06 04 00 02( ..){6}$(pieces "$target" 2 ' ')" fields=11-16
  fi
  # bash would write each line by itself, and 10 ends one.
  printf %b "$(pieces "$probe" 2 '\x')" >"$scratch/$id.probe"
  if ! { cat "$scratch/$id.probe" && sleep 0.3 && cat "$scratch/$id.probe"; } |
    in_pod "$pod" socat -t 0.3 - "INTERFACE:$device" >"$scratch/$id.frames" 2>"$scratch/$id"; then
    echo "failed $(last_line "$scratch/$id")"
    return
  fi
  said=$(od -An -v -tx1 "$scratch/$id.frames" | tr -d '\n' | grep -oE "$answer" |
    cut -d ' ' -f "$fields" | tr ' ' : | sort -u) || true
  echo "ok ${said//$'\n'/ }"
}

pieces() { # of so many digits each, after a word
  local digits=$1 each=$2 word=$3 from
  for ((from = 0; from < ${#digits}; from += each)); do printf %s "$word${digits:from:each}"; done
}

# The frame, in hexadecimal, in which MAC asks who has TARGET of IPv6. (The sum is that of the pseudo-header, too.)
solicitation() {
  local mac=$1 target=$2 group sum=$((24 + 58 + 0x8700)) word
  group=ff0200000000000000000001ff${target:26}
  for word in $(pieces "$group$target" 4 ' 0x'); do sum=$((sum + word)); done
  sum=$(((sum & 0xffff) + (sum >> 16)))
  sum=$(((sum & 0xffff) + (sum >> 16) ^ 0xffff))
  printf '3333ff%s%s86dd6000000000183aff%032d%s8700%04x%08d%s' "${target:26}" "$mac" 0 "$group" "$sum" 0 "$target"
}

tcp() {
  local pod=$1 device=$2 address=$3 target=$4 port=$5 request reply back begun line least='' took
  mkfifo "$scratch/$id.line"
  exec {request}<>"$scratch/$id.line"
  exec {reply}< <(in_pod "$pod" timeout 12 socat - \
    "TCP$(family "$target"):$(written "$target"):$port,$(bound "$device" "$address"),connect-timeout=6" \
    <"$scratch/$id.line" 2>"$scratch/$id" {request}>&-)
  for line in connect first second third; do
    begun=$EPOCHREALTIME
    echo "$line $id" >&"$request"
    back=
    if ! read -r -t 7 -u "$reply" back || [ "$back" != "$line $id" ]; then
      least=
      break
    fi
    took=$(milliseconds "$begun")
    [ "$line" = connect ] || least=$(sort -n <<<"$took${least:+$'\n'$least}" | head -n 1)
  done
  exec {request}>&-
  [ -n "${enter[$pod]}" ] || wait "$!" || true
  if [ -n "$least" ]; then echo "ok $least"; else echo "failed $(last_line "$scratch/$id")"; fi
}

large() {
  local pod=$1 device=$2 address=$3 target=$4 port=$5 size=$6 reply back=''
  printf "%0${size}d" 0 >"$scratch/$id.payload"
  exec {reply}< <(in_pod "$pod" timeout 5 socat -T 2 -b 65536 "OPEN:$scratch/$id.payload,rdonly,ignoreeof!!STDOUT" \
    "UDP$(family "$target"):$(written "$target"):$port,$(bound "$device" "$address")$(whole "$target")" 2>"$scratch/$id")
  if LC_ALL=C read -r -N "$size" -t 3 -u "$reply" back && [ ${#back} -eq "$size" ]; then
    echo "ok"
  else
    echo "failed $(last_line "$scratch/$id")"
  fi
}

name() {
  local pod=$1 name=$2 said begun=$EPOCHREALTIME
  # shellcheck disable=SC2016 # expanded in there
  if said=$(RES_OPTIONS='attempts:1 timeout:2' in_pod "$pod" timeout 10 unshare --mount bash -c \
    'mount --bind "$1" /etc/resolv.conf && exec getent ahosts "$2"' look-up "${resolver[$pod]}" "$name" 2>&1); then
    echo "ok ${said%% *} $(milliseconds "$begun")"
  else
    said=${said##*$'\n'}
    echo "failed ${said:-no answer} after $(milliseconds "$begun") ms"
  fi
}

# By its address: a name that is not found is another failure.
api() {
  local pod=$1 address=$2 said begun=$EPOCHREALTIME
  if said=$(in_pod "$pod" curl --silent --show-error --noproxy '*' --max-time 5 --cacert /etc/kubernetes/pki/ca.crt \
    --resolve "kubernetes.default.svc:443:$(written "$address")" --output /dev/null --write-out '%{http_code}' \
    https://kubernetes.default.svc/readyz 2>&1); then
    echo "ok $said $(milliseconds "$begun")"
  else
    echo "failed ${said##*$'\n'}"
  fi
}

way() {
  local pod=$1 address=$2 far=192.0.2.1 said # of the networks that are for examples: nobody is there
  if [[ $address == *:* ]]; then far=2001:db8::1; fi
  if said=$(in_pod "$pod" ip route get "$far" from "$address" 2>&1); then
    echo "ok ${said%%$'\n'*}"
  else
    echo "failed ${said%%$'\n'*}"
  fi
}

state() {
  local pod=$1 what
  for what in 'address show' 'route show' 'rule show' 'neighbour show'; do
    # shellcheck disable=SC2086 # words
    in_pod "$pod" ip $what | sed "s/^/$id more /"
  done
  echo "ok"
}

journal() {
  local units=(--unit kubelet --unit containerd --unit kalico-dhcp)
  { timeout 10 journalctl --quiet --no-pager --output short-iso --lines 5000 "${units[@]}" || true; } |
    { grep --fixed-strings -e "$1" -e ' kalico-dhcp-leases[' || true; } | tail -n 20 | cut -c -600 | sed "s/^/$id more /"
  echo "ok"
}

links() {
  ip -brief address show | sed "s/^/$id more /"
  echo "ok"
}

asked=()
while read -r id what words; do
  # shellcheck disable=SC2086 # words
  case "$what" in
    '') # sync
      [ ${#asked[@]} -eq 0 ] || wait "${asked[@]}" || true
      asked=()
      echo sync
      ;;
    pod | here | serve) # what they find is kept
      $what $words >"$scratch/answer" || echo 'failed by itself' >"$scratch/answer"
      echo "$id $(<"$scratch/answer")"
      ;;
    state | journal | links)
      said=$($what $words) || said='failed by itself'
      echo "${said%ok}"
      echo "$id ok"
      ;;
    *)
      { said=$($what $words </dev/null) || said='failed by itself'; echo "$id $said"; } &
      asked+=($!)
      # Not all at once: a round trip would be that of a busy machine.
      if [ ${#asked[@]} -ge 4 ]; then
        wait "${asked[0]}" || true
        asked=("${asked[@]:1}")
      fi
      ;;
  esac
done
