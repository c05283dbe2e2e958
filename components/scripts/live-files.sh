#!/usr/bin/env bash
# What several scripts do with the lab's nodes and their live files in RUN; `script` puts it in the place of the line that names it.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${RUN:?}"

# Has the file $1 of RUN, such as networks/lan, keep the lines that follow, for the owner alone.
remember() {
  there "$1" && printf '%s\n' "${@:2}" >"$RUN/$1"
}

# Has that file be there. Its folder may go again before it is: another script that removes the last file of a folder
# removes the folder, too.
there() {
  local file=$RUN/$1 said
  for _ in {1..9}; do
    said=$( (umask 077 && mkdir -p "${file%/*}" && : >>"$file") 2>&1) && return
  done
  echo "$said" >&2
  return 1
}

# Removes the folders $@ of RUN where they are empty, and RUN where nothing is left in it but the note of whose lab it was.
tidy() {
  local folder
  for folder in "${@/#/$RUN/}"; do
    dropped "$folder"
  done
  if [ -e "$RUN/stack" ] && [ -z "$(find "$RUN" -mindepth 1 -maxdepth 1 ! -name stack -print -quit)" ]; then
    rm -f "$RUN/stack"
  fi
  dropped "$RUN"
}

# At the end of a lab another script may be as far, and be the first.
dropped() {
  [ ! -d "$1" ] || rmdir --ignore-fail-on-non-empty "$1" || [ ! -d "$1" ]
}

# Takes the cluster's lock: `--exclusive` for whoever makes or deletes the cluster, `--shared` for one node of it. An orphan
# of a killed run may still be at it. What outlives the script has to be started with 8>&- 9>&-.
hold() {
  there lock
  exec 9<>"$RUN/lock" # not emptied: it says who holds it
  locked 9 "$1" "$RUN/lock"
  printf 'process %s (%s)\n' "$$" "$2" >"$RUN/lock"
}

# Beside it, that of the one node NODE: its orphan may still be at it, too. (The file stays until the cluster goes: who
# waits for a lock has the file open.)
hold_node() {
  exec 8<>"$RUN/lock.$NODE"
  locked 8 --exclusive "$RUN/lock.$NODE"
  printf 'process %s (for %s)\n' "$$" "$NODE" >"$RUN/lock.$NODE"
}

locked() {
  local file=$3 holder
  flock "$2" --timeout 300 "$1" && return
  holder=$(<"$file")
  echo "cluster '$CLUSTER': ${holder:-another process} has held $file for 300 s;" \
    "wait for its end, or end it, then run again" >&2
  exit 1
}

# The cluster that the container NODE is a node of, if of any; fails where there is no such container.
cluster_of_node() {
  "$ENGINE" inspect --type container --format '{{index .Config.Labels "io.x-k8s.kind.cluster"}}' "$NODE" 2>/dev/null
}

# Whether NODE's init has begun: before that, what is run in the node spoils its start on cgroup v2. Of one that was started
# before the logs tell that, too, but for `--since TIME`.
begun() {
  "$ENGINE" logs "$@" "$NODE" 2>&1 | grep -E 'Reached target .*Multi-User System|detected cgroup v1'
}

# Removes the volumes that files of RUN/volumes name: those of a node that somebody removed before would stay.
remove_volumes() {
  local file volume
  for file in "$@"; do
    [ -e "$file" ] || continue
    while read -r volume; do
      [ -z "$volume" ] || ! "$ENGINE" volume inspect "$volume" >/dev/null 2>&1 || "$ENGINE" volume rm "$volume" >/dev/null
    done <"$file"
  done
}
