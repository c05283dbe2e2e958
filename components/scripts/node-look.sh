#!/bin/sh
# Run in a node, or another container of the lab's, by whatever shell it has: says of each thing that the lab made in
# it, and marked in /run/kalico, whether it is as it was left. A mark's first line is the reason for which it was made,
# the second what to compare; in .THING beside it a thing may have told by itself what is wrong, in lines that each begin
# with the network namespace that it is wrong of, and hold while that is there. Prints a line a mark:
# THING, a tab, what is wrong (nothing where all is well), a tab, the reason. The marks are gone when the node is
# started again.
set -eu

# Makes one line of what it reads.
listed() {
  # shellcheck disable=SC2016 # sed's, for the last line
  sed -n 'H; ${g; s/\n//; s/\n/, /g; p;}'
}

links=$(ip -oneline link show)
for mark in /run/kalico/*; do
  [ -e "$mark" ] || continue
  thing=${mark##*/} because='' left='' wrong=''
  { IFS= read -r because && IFS= read -r left; } <"$mark" || true
  case "$thing" in
    join.* | peer.* | server.*)
      read -r interface mac address <<END
$left
END
      line=$(printf '%s\n' "$links" | grep -F " $mac " | grep -oE "^[0-9]+: ${interface}[@:]" || true)
      if [ -z "$line" ]; then
        wrong="it is not on the network any more"
      else
        # Of IPv6 without those that a router on the link tells of.
        live=$({
          ip -oneline -4 address show dev "$interface"
          ip -oneline -6 address show dev "$interface" scope global | grep -v ' dynamic '
        } | grep -oE 'inet6? [0-9a-f.:/]+' | listed)
        wanted=$(for each in $address; do
          case "$each" in *:*) echo "inet6 $each" ;; *) echo "inet $each" ;; esac
        done | listed)
        if [ -z "$address" ]; then
          [ -z "$live" ] || wrong="$interface has an address"
        elif [ "$live" != "$wanted" ]; then
          wrong="$interface has ${live:-no address}, not just $wanted"
        fi
      fi
      ;;
    conf.*)
      read -r file sum <<END
$left
END
      [ "$(sha256sum "$file" 2>/dev/null)" = "$sum  $file" ] || wrong="$file is not the lab's"
      ;;
    *)
      for file in $left; do
        [ -e "$file" ] || wrong="$file is gone"
      done
      if [ -z "$wrong" ] && [ -s "/run/kalico/.$thing" ]; then
        wrong=$(while read -r namespace told; do
          [ ! -e "$namespace" ] || printf '%s\n' "$told"
        done <"/run/kalico/.$thing" | listed)
      fi
      ;;
  esac
  printf '%s\t%s\t%s\n' "$thing" "$wrong" "$because"
done
