# shellcheck shell=bash
# Everything but keys and functions. Each step asks what is there and creates what is not.

enable_services() {
  step 'Services'
  cloud services enable artifactregistry.googleapis.com cloudbuild.googleapis.com cloudresourcemanager.googleapis.com \
    cloudscheduler.googleapis.com cloudtasks.googleapis.com firestore.googleapis.com iam.googleapis.com \
    pubsub.googleapis.com run.googleapis.com secretmanager.googleapis.com
}

ACCOUNTS_ARE_NEW=false

# One for each function, for each caller of a function, and for building.
create_accounts() {
  step 'Service accounts'
  list iam service-accounts list '--format=value(email)'
  local name
  for name in "${FUNCTIONS[@]}" "${CALLERS[@]}" builder; do
    found "$(account "$name")" && continue
    cloud iam service-accounts create "$PREFIX-$name" "--display-name=$PREFIX $name"
    ACCOUNTS_ARE_NEW=true
  done
}

grant_project_roles() {
  step 'Roles'
  local name role
  # Only on this one database: https://cloud.google.com/firestore/native/docs/manage-databases#per_database_access_permissions
  local condition="expression=resource.name==\"projects/$PROJECT_ID/databases/$DATABASE\",title=$PREFIX-database"
  for name in "${FUNCTIONS[@]}"; do
    # A sweep writes nothing.
    if [[ $name == sweep ]]; then role=roles/datastore.viewer; else role=roles/datastore.user; fi
    grant "$(member "$name")" "$role" projects add-iam-policy-binding "$PROJECT_ID" "--condition=$condition"
    # Whoever makes a task that carries an identity must be allowed to act as it.
    grant "$(member "$name")" roles/iam.serviceAccountUser \
      iam service-accounts add-iam-policy-binding "$(account tasks-invoker)" --condition=None
  done
  # Not the default account, which has no role in new projects and far too many in old ones.
  grant "$(member builder)" roles/run.builder projects add-iam-policy-binding "$PROJECT_ID" --condition=None
  # Executors are called by these two: a notification may make its adapter ask the executor.
  for role in "${EXECUTOR_ROLES[@]}"; do
    for name in tasks notify; do
      grant "$(member "$name")" "$role" projects add-iam-policy-binding "$PROJECT_ID" --condition=None
    done
  done
}

create_database() {
  step 'Database'
  list firestore databases list '--format=value(name.basename(),type)'
  found "$DATABASE"$'\t'FIRESTORE_NATIVE && return
  if found "$DATABASE"$'\t'DATASTORE_MODE; then
    fail "the database $DATABASE is in Datastore mode; set DATABASE to the name of another one"
  fi
  cloud firestore databases create "--database=$DATABASE" "--location=$DATABASE_LOCATION" --type=firestore-native
}

# What queries look for together, as COLLECTION FIELD FIELD […]: what is due, and who stands in line and since when. Arrivals at
# one line rise with time: 500 a second can stand in line for a distributor.
COMPOSITES=(
  $'attempts\tshard\twakeAt'
  $'executions\tshard\twakeAt'
  $'slots\tshard\twakeAt'
  $'attempts\tline\tplace'
  $'slots\tline\tplace\tnumber'
)

# What a query looks for alone, as COLLECTION FIELD. None of these grows with time.
SINGLE_FIELDS=($'attempts\tstate' $'attempts\tdistributor' $'edges\tdependent' $'edges\tdependency' $'edges\topenFor')

# No other single field is indexed: one that grows with time would cap its collection at 500 writes/s
# (https://cloud.google.com/firestore/docs/best-practices). Building goes on while the functions are deployed.
create_indexes() {
  step 'Indexes'
  local collection single
  list firestore indexes composite list "--database=$DATABASE" \
    '--format=value(name.segment(5),fields[0].fieldPath,fields[1].fieldPath)'
  local composite field
  for composite in "${COMPOSITES[@]}"; do
    local -a fields
    IFS=$'\t' read -r collection fields[0] fields[1] fields[2] <<<"$composite"
    found "$collection"$'\t'"${fields[0]}"$'\t'"${fields[1]}" && continue
    local -a configs=()
    for field in "${fields[@]}"; do
      [[ -z $field ]] || configs+=("--field-config=field-path=$field,order=ascending")
    done
    cloud_patiently firestore indexes composite create "--collection-group=$collection" "--database=$DATABASE" \
      --query-scope=collection "${configs[@]}" --async
  done

  list firestore indexes fields list "--database=$DATABASE" '--format=value(name.segment(5),name.segment(7))'
  # First what stays on, so that a list never has no index at all.
  for single in "${SINGLE_FIELDS[@]}"; do
    found "$single" && continue
    cloud_patiently firestore indexes fields update "${single#*$'\t'}" "--collection-group=${single%$'\t'*}" \
      "--database=$DATABASE" --index=order=ascending --async
  done
  for collection in "${COLLECTIONS[@]}"; do
    found "$collection"$'\t''*' && continue
    cloud_patiently firestore indexes fields update '*' "--collection-group=$collection" "--database=$DATABASE" \
      --disable-indexes --async
  done

  list firestore fields ttls list "--database=$DATABASE" '--format=value(name.segment(5),name.segment(7))'
  set_ttl adapterDocuments true
  for collection in attempts executions edges; do
    set_ttl "$collection" "$([[ -n $RETENTION_DAYS ]] && echo true || echo false)"
  done
}

set_ttl() {
  local collection=$1 wanted=$2 is=false flag=--enable-ttl
  if found "$collection"$'\t'expireAt; then is=true; fi
  [[ $is != "$wanted" ]] || return 0
  if [[ $wanted == false ]]; then flag=--disable-ttl; fi
  cloud_patiently firestore fields ttls update expireAt "--collection-group=$collection" "--database=$DATABASE" "$flag" --async
}

create_topics() {
  step 'Topics'
  list pubsub topics list '--format=value(name.basename())'
  found "$TOPIC" || cloud pubsub topics create "$TOPIC"
  found "$DEAD_LETTERS" || cloud pubsub topics create "$DEAD_LETTERS"
  create_own_topics
  local name
  for name in job tasks; do
    grant "$(member "$name")" roles/pubsub.publisher pubsub topics add-iam-policy-binding "$TOPIC"
  done
}

# 500 tasks a second is all that a queue can do. As many at once as the instances take, so that none is turned away with 429.
# min-backoff: most refusals are over at once. max-attempts: about 100 minutes; then a wake-up is left to the sweep.
create_queues() {
  step 'Queues'
  list tasks queues list "--location=$REGION" '--format=value(name.basename())'
  local queue name verb concurrent=$((MAX_INSTANCES * CONCURRENCY / QUEUES))
  ((concurrent <= 5000)) || concurrent=5000
  for queue in $(queues); do
    verb=create
    if found "$queue"; then verb=update; fi
    cloud tasks queues "$verb" "$queue" "--location=$REGION" --max-dispatches-per-second=500 \
      "--max-concurrent-dispatches=$concurrent" --max-attempts=100 --min-backoff=1s --max-backoff=60s --max-doublings=6
    for name in "${FUNCTIONS[@]}"; do
      grant "$(member "$name")" roles/cloudtasks.enqueuer tasks queues add-iam-policy-binding "$queue" "--location=$REGION"
    done
  done
}

subscribe() {
  step 'Subscriptions'
  list_subscriptions
  # Without a subscription of its own the dead-letter topic would keep nothing.
  topic_of "$DEAD_LETTERS" >/dev/null || cloud pubsub subscriptions create "$DEAD_LETTERS" "--topic=$DEAD_LETTERS" \
    --message-retention-duration=7d --expiration-period=never
  # Pub/Sub itself moves what keeps failing: https://cloud.google.com/pubsub/docs/dead-letter-topics#grant_forwarding_permissions
  grant "$PUBSUB_AGENT" roles/pubsub.publisher pubsub topics add-iam-policy-binding "$DEAD_LETTERS"
  push_to_notify "$SUBSCRIPTION" "$(full_name "$TOPIC")" /
  subscribe_own_topics
}

# push_to_notify SUBSCRIPTION TOPIC PATH
# ack-deadline: as long as `notify` may take. Delivery attempts: at 600 s each, most of a day.
push_to_notify() {
  local name=$1 topic=$2 path=$3 is verb=(create "$1" "--topic=$2")
  if is=$(topic_of "$name"); then
    # A subscription keeps its topic for ever, even one that was deleted.
    if [[ $is == "$topic" ]]; then verb=(update "$name"); else cloud pubsub subscriptions delete "$name"; fi
  fi
  cloud pubsub subscriptions "${verb[@]}" "--push-endpoint=$(url notify)$path" \
    "--push-auth-service-account=$(account push-invoker)" "--push-auth-token-audience=$(url notify)" \
    --ack-deadline=60 --min-retry-delay=2s --max-retry-delay=600s "--dead-letter-topic=$DEAD_LETTERS" \
    --max-delivery-attempts=100 --message-retention-duration=7d --expiration-period=never
  grant "$PUBSUB_AGENT" roles/pubsub.subscriber pubsub subscriptions add-iam-policy-binding "$name"
}

# The next minute is the retry of a sweep that failed.
schedule_sweep() {
  step 'Sweep'
  list scheduler jobs list "--location=$REGION" '--format=value(name.basename())'
  local verb=create
  if found "$SWEEP_JOB"; then verb=update; fi
  cloud scheduler jobs "$verb" http "$SWEEP_JOB" "--location=$REGION" '--schedule=* * * * *' --time-zone=Etc/UTC \
    "--uri=$(url sweep)/" --http-method=post "--oidc-service-account-email=$(account scheduler-invoker)" \
    "--oidc-token-audience=$(url sweep)" --attempt-deadline=60s --max-retry-attempts=0
}
