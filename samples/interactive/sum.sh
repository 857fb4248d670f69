#!/bin/sh
# An interactive job in shell: asks for the quests in its parameters, and finishes with the sum of their values.
# It needs a POSIX sh and curl 7.76 or newer. What each call means: docs/interactive-jobs.md.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 1' HUP INT TERM

# call METHOD TOKEN <BODY: the answer is in $dir/answer. The token goes by a file, since arguments of processes are public.
call() {
  printf 'Authorization: Bearer %s\n' "$2" >"$dir/token"
  curl --silent --show-error --fail-with-body --max-time 60 --retry 8 --retry-connrefused \
    --header "@$dir/token" --header 'Content-Type: application/json' --data-binary @- \
    --output "$dir/answer" "$EXECUTION_URL:$1" || { cat "$dir/answer" >&2; exit 1; }
}

# 32 random bytes of our own choice. Whoever activates first has the execution to himself.
token=$(head -c 32 /dev/urandom | base64 | tr -d '=\n' | tr '+/' '-_')
printf '{"executionToken": "%s"}' "$token" | call activate "$ACTIVATION_TOKEN"

# The answer holds the state that the last execution has left: {"previousState":{"runs":1}}, or {} the first time.
runs=$(sed -n 's/.*"runs":\([0-9]*\).*/\1/p' "$dir/answer")
runs=$((${runs:-0} + 1))

# The parameters are on stdin, and have the form of the request: {"quests": [{"desc": …}, …]}.
call ensureGraphData "$token"

# Answers are JSON without spaces; a job that needs more of them than this should be written in something that reads JSON.
if grep -q '"shouldHalt":true' "$dir/answer"; then
  # What this execution leaves on stdout is the state of the next one.
  printf '{"runs": %d}\n' "$runs"
  exit 0
fi
if grep -o '"abnormalFinish":{[^}]*}' "$dir/answer" >&2; then
  echo 'a dependency has no result' >&2
  exit 1
fi

sum=$(($(grep -o '"value":[0-9]*' "$dir/answer" | cut -d : -f 2 | paste -s -d + -)))
printf '{"data": {"sum": %d, "runs": %d}}' "$sum" "$runs" | call finish "$token"
