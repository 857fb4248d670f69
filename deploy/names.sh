# shellcheck shell=bash
# What everything is called.

FUNCTIONS=(api job notify tasks sweep)
CALLERS=(tasks-invoker push-invoker scheduler-invoker)
COLLECTIONS=(quests attempts executions edges slots adapterDocuments)

set_names() {
  TOPIC=$PREFIX-notifications
  DEAD_LETTERS=$PREFIX-dead-letters
  SUBSCRIPTION=$PREFIX-notify
  SIGNING_KEY=$PREFIX-signing-key
  SWEEP_JOB=$PREFIX-sweep
}

account() {
  echo "$PREFIX-$1@$PROJECT_ID.iam.gserviceaccount.com"
}

member() {
  echo "serviceAccount:$(account "$1")"
}

# Known before the service exists: https://cloud.google.com/run/docs/triggering/https-request#deterministic
url() {
  echo "https://$PREFIX-$1-$PROJECT_NUMBER.$REGION.run.app"
}

# The names of all queues, one a line.
queues() {
  local i
  for ((i = 0; i < QUEUES; i++)); do echo "$PREFIX-$i"; done
}

# Also tells, before anything is changed, whether the project can be reached.
find_project() {
  step 'Project'
  list projects describe "$PROJECT_ID" '--format=value(projectNumber)'
  PROJECT_NUMBER=${FOUND[0]-}
  if $DRY_RUN; then PROJECT_NUMBER=PROJECT_NUMBER; fi
  [[ -n $PROJECT_NUMBER ]] || fail "the project $PROJECT_ID has no number"
  PUBSUB_AGENT=serviceAccount:service-$PROJECT_NUMBER@gcp-sa-pubsub.iam.gserviceaccount.com
}
