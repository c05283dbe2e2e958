#!/usr/bin/env bash
# Runs the self-test of components/checks with the plan on stdin and prints its results as JSON; checks that fail are told
# there, not by the way this ends. RUN/checks.json keeps the plan for `make check`.
# RUN/because/self-test keeps BECAUSE, why this runs, if all passed; without it the next `up` tests again.
set -euo pipefail
: "${CLUSTER:?}" "${ENGINE:?}" "${RUN:?}" "${PYTHON:?}" "${PROGRAM:?}"
. live-files.sh

rm -f "$RUN/because/self-test"
(umask 077 && cat >"$RUN/checks.json")
results=$(cd "$PROGRAM" && "$PYTHON" -m components.checks.run --json <"$RUN/checks.json")
if [[ $results == *'"failed": 0,'* ]]; then
  remember because/self-test "${BECAUSE:-}"
fi
printf '%s\n' "$results"
