#!/usr/bin/env bash
# From an empty Google Cloud project to a running distributor, and from there to the next version. docs: docs/deploy.md
set -euo pipefail

if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] < 404)); then
  echo "deploy.sh: needs bash 4.4 or later, this is $BASH_VERSION" >&2
  exit 1
fi
CALLED_FROM=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")"

# shellcheck source=deploy/commands.sh
. deploy/commands.sh
# shellcheck source=deploy/settings.sh
. deploy/settings.sh
# shellcheck source=deploy/names.sh
. deploy/names.sh
# shellcheck source=deploy/topics.sh
. deploy/topics.sh
# shellcheck source=deploy/resources.sh
. deploy/resources.sh
# shellcheck source=deploy/keys.sh
. deploy/keys.sh
# shellcheck source=deploy/functions.sh
. deploy/functions.sh
# shellcheck source=deploy/destroy.sh
. deploy/destroy.sh

usage() {
  cat <<'END'
Usage: ./deploy.sh [--settings FILE] [--dry-run] [--rotate-key | --retire-key N | --destroy [--delete-data] [--yes]]

Creates or updates everything that the distributor needs in a Google Cloud project. It may be run again at any time.

  --settings FILE   the settings, deploy.env unless given (see deploy.env.example)
  --dry-run         print every command of a first deployment (or of a full removal) and run none, not even reading ones
  --rotate-key      add a signing key; from now on executions are launched under it
  --retire-key N    take version N of the signing key out of use and disable it
  --destroy         remove what was created, after asking; the database stays
  --delete-data     with --destroy: the database too
  --yes             with --destroy: do not ask
  --help            this text
END
}

ACTION=deploy
DRY_RUN=false
DELETE_DATA=false
ASSUME_YES=false
ROTATE_KEY=false
RETIRED_KEY=
SETTINGS_FILE=deploy.env

parse_options() {
  while (($# > 0)); do
    case $1 in
      --settings)
        (($# > 1)) || fail '--settings needs a file'
        shift
        [[ $1 == /* ]] && SETTINGS_FILE=$1 || SETTINGS_FILE=$CALLED_FROM/$1
        ;;
      --dry-run) DRY_RUN=true ;;
      --rotate-key) ROTATE_KEY=true ;;
      --retire-key)
        [[ ${2-} =~ ^[1-9][0-9]*$ ]] || fail '--retire-key needs the number of a version'
        shift
        RETIRED_KEY=$1
        ;;
      --destroy) ACTION=destroy ;;
      --delete-data) DELETE_DATA=true ;;
      --yes) ASSUME_YES=true ;;
      --help | -h)
        usage
        exit 0
        ;;
      *) fail "unknown option $1; see ./deploy.sh --help" ;;
    esac
    shift
  done
  if [[ $ACTION == deploy ]] && { $DELETE_DATA || $ASSUME_YES; }; then
    fail '--delete-data and --yes belong to --destroy'
  fi
  if [[ $ACTION == destroy ]] && { $ROTATE_KEY || [[ -n $RETIRED_KEY ]]; }; then
    fail '--destroy goes with neither --rotate-key nor --retire-key'
  fi
  if $ROTATE_KEY && [[ -n $RETIRED_KEY ]]; then
    fail 'retire a key only when nothing that was launched under it is alive: not in the run that adds its successor'
  fi
}

deploy() {
  read_own_topics
  build_bundles
  find_project
  enable_services
  create_accounts
  grant_project_roles
  create_database
  create_indexes
  create_topics
  create_queues
  create_keys
  deploy_functions
  subscribe
  schedule_sweep
  disable_retired_key
  show_result
}

trap 'echo >&2; echo "deploy.sh: interrupted at \"$STEP\"; run it again to go on" >&2; exit 130' INT TERM
parse_options "$@"
read_settings "$SETTINGS_FILE"
set_names
$DRY_RUN || command -v gcloud >/dev/null || fail 'gcloud is not installed: https://cloud.google.com/sdk/docs/install'
"$ACTION"
