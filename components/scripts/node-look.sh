#!/usr/bin/env bash
# Run in a node: says of each thing that the lab made in it, and marked in /run/kalico, whether it is as it was left.
# A mark's first line is the reason for which it was made, the second what to compare. Prints a line a mark: THING, a
# tab, what is wrong (nothing where all is well), a tab, the reason. The marks are gone when the node is started again.
set -euo pipefail

links=$(ip -oneline link show)
for mark in /run/kalico/*; do
  [ -e "$mark" ] || continue
  thing=${mark##*/} because='' left='' wrong=''
  { IFS= read -r because && IFS= read -r left; } <"$mark" || true
  case "$thing" in
    join.* | peer.*)
      read -r interface mac address <<<"$left"
      line=$(grep -F " $mac " <<<"$links" | grep -oE "^[0-9]+: ${interface}[@:]" || true)
      if [ -z "$line" ]; then
        wrong="it is not on the network any more"
      else
        # Of IPv6 without those that a router on the link tells of.
        live=$({
          ip -oneline -4 address show dev "$interface"
          ip -oneline -6 address show dev "$interface" scope global permanent
        } | grep -oE 'inet6? [0-9a-f.:/]+' | paste -sd, || true)
        wanted=$(for each in $address; do echo "inet$([[ $each != *:* ]] || echo 6) $each"; done | paste -sd,)
        if [ -z "$address" ]; then
          [ -z "$live" ] || wrong="$interface has an address"
        elif [ "$live" != "$wanted" ]; then
          live=${live:-no address}
          wrong="$interface has ${live//,/, }, not just ${wanted//,/, }"
        fi
      fi
      ;;
    conf.*)
      read -r file sum <<<"$left"
      [ "$(sha256sum "$file" 2>/dev/null)" = "$sum  $file" ] || wrong="$file is not the lab's"
      ;;
    *)
      for file in $left; do
        [ -e "$file" ] || wrong="$file is gone"
      done
      ;;
  esac
  printf '%s\t%s\t%s\n' "$thing" "$wrong" "$because"
done
