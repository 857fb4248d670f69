# shellcheck shell=bash
# How a command is run, or printed instead.

STEP='reading the settings'
# What the last `list` found, one line each.
FOUND=()

fail() {
  echo "deploy.sh: FAILED: $*" >&2
  exit 1
}

step() {
  STEP=$1
  if $DRY_RUN; then echo "# $STEP"; else echo "== $STEP"; fi
}

quoted() {
  local line
  printf -v line '%q ' "$@"
  echo "${line% }"
}

# ADVICE: what to do about it, where that is known.
failed_command() {
  fail "\"$STEP\" stopped at: $(quoted "$@"); nothing after it was run; ${ADVICE:-run deploy.sh again once it is mended}"
}

# Runs a command that changes something.
run() {
  if $DRY_RUN; then
    quoted "$@"
  else
    "$@" </dev/null || failed_command "$@"
  fi
}

# cloud ARGUMENT…: every line names the project and never asks.
cloud() {
  run gcloud "$@" "--project=$PROJECT_ID" --quiet
}

# An API that was enabled a moment ago may not be known to be yet.
LIST_TRIES=3

# Asks what exists, by lists and never by `describe`: these succeed with nothing where nothing is, so that "not found" need
# not be told from other errors by their texts. A dry run finds nothing, and so shows what a first deployment does.
list() {
  local line=(gcloud "$@" "--project=$PROJECT_ID" --quiet) output
  FOUND=()
  if $DRY_RUN; then
    quoted "${line[@]}"
    return
  fi
  local tries=$LIST_TRIES
  until output=$("${line[@]}" </dev/null); do
    ((--tries > 0)) || failed_command "${line[@]}"
    sleep "$PAUSE_SECONDS"
  done
  [[ -z $output ]] || mapfile -t FOUND <<<"$output"
}

found() {
  local line
  for line in "${FOUND[@]}"; do
    [[ $line != "$1" ]] || return 0
  done
  return 1
}

# For what Google may refuse at first and says to try again. A new service account is not known everywhere for a minute or
# more (https://cloud.google.com/iam/docs/service-accounts-create); index changes abort each other (409, ABORTED).
TRIES=8
PAUSE_SECONDS=15

patiently() {
  local tries=$TRIES
  if $DRY_RUN; then
    quoted "$@"
    return
  fi
  until "$@" </dev/null; do
    ((--tries > 0)) || failed_command "$@"
    echo "   trying again in $PAUSE_SECONDS s"
    sleep "$PAUSE_SECONDS"
  done
}

cloud_patiently() {
  patiently gcloud "$@" "--project=$PROJECT_ID" --quiet
}

# grant MEMBER ROLE COMMAND…: granting again what is granted changes nothing.
grant() {
  local binding=("--member=$1" "--role=$2" --format=none)
  shift 2
  # The account may have been created by a run that was broken off a moment ago.
  cloud_patiently "$@" "${binding[@]}"
}
