# shellcheck shell=bash
# The other way: callers first, then what they call, then what that rests on.

destroy() {
  confirm
  delete_callers
  delete_services
  delete_queues
  delete_topics
  delete_keys
  delete_accounts
  if $DELETE_DATA; then
    step 'Database'
    list firestore databases list '--format=value(name.basename())'
    there "$DATABASE" && cloud firestore databases delete "--database=$DATABASE"
  fi
  if $DRY_RUN; then return; fi
  echo "== Removed from $PROJECT_ID; the APIs stay enabled, and Cloud Build's bucket and repository stay"
  $DELETE_DATA || echo "The database $DATABASE stays, with its data, indexes and TTL policies: --destroy --delete-data removes it"
  echo "Cloud Tasks gives a queue's name again only after up to 7 days: until then deploy with another PREFIX"
}

confirm() {
  if $DRY_RUN || $ASSUME_YES; then return; fi
  local what="the distributor $PREFIX" answer=
  if $DELETE_DATA; then what+=" AND ALL DATA in the database $DATABASE"; fi
  echo "This removes $what from the project $PROJECT_ID."
  read -r -p "Type the project's name to go on: " answer || true
  [[ $answer == "$PROJECT_ID" ]] || fail 'not confirmed; nothing was removed'
}

# Of a dry run everything is there.
there() {
  $DRY_RUN || found "$1"
}

delete_callers() {
  step 'Sweep and subscriptions'
  list scheduler jobs list "--location=$REGION" '--format=value(name.basename())'
  if there "$SWEEP_JOB"; then cloud scheduler jobs delete "$SWEEP_JOB" "--location=$REGION"; fi
  list_subscriptions
  if $DRY_RUN; then
    FOUND=("$SUBSCRIPTION" "$DEAD_LETTERS")
    echo "# … and $(own_subscription NAME) of each distributor with a topic of its own"
  fi
  local name
  for name in "${FOUND[@]%%$'\t'*}"; do
    [[ $name == "$SUBSCRIPTION" || $name == "$DEAD_LETTERS" || $name == "$(own_subscription '')"* ]] || continue
    cloud pubsub subscriptions delete "$name"
  done
}

delete_services() {
  step 'Functions'
  list run services list "--region=$REGION" '--format=value(metadata.name)'
  local name
  for name in "${FUNCTIONS[@]}"; do
    if there "$PREFIX-$name"; then cloud run services delete "$PREFIX-$name" "--region=$REGION"; fi
  done
}

# All of them, also those of a time when QUEUES was larger.
delete_queues() {
  step 'Queues'
  list tasks queues list "--location=$REGION" '--format=value(name.basename())'
  if $DRY_RUN; then mapfile -t FOUND < <(queues); fi
  local queue
  for queue in "${FOUND[@]}"; do
    [[ $queue =~ ^$PREFIX-[0-9]+$ ]] || continue
    cloud tasks queues delete "$queue" "--location=$REGION"
  done
}

# Those of executors stay, also those that were created here: others may publish and listen there.
delete_topics() {
  step 'Topics'
  list pubsub topics list '--format=value(name.basename())'
  local name
  for name in "$TOPIC" "$DEAD_LETTERS"; do
    if there "$name"; then cloud pubsub topics delete "$name"; fi
  done
}

delete_keys() {
  step 'Signing key'
  list secrets list '--format=value(name.basename())'
  local entry secret secrets=(""${FOUND[@]}"")
  if there "$SIGNING_KEY"; then cloud secrets delete "$SIGNING_KEY"; fi
  # The secrets of distributors are not ours; only our access to them goes.
  for entry in "${SECRET_ENTRIES[@]}"; do
    secret=${entry#*=} secret=${secret%:*}
    FOUND=("${secrets[@]}")
    if there "$secret"; then revoke_all secrets "$secret"; fi
  done
}

# Before the accounts go: a policy would keep the names of deleted members.
delete_accounts() {
  step 'Roles and service accounts'
  revoke_all projects "$PROJECT_ID"
  list iam service-accounts list '--format=value(email)'
  local name
  for name in "${FUNCTIONS[@]}" "${CALLERS[@]}" builder; do
    if there "$(account "$name")"; then cloud iam service-accounts delete "$(account "$name")"; fi
  done
}

# revoke_all GROUP NAME: whatever our accounts may do with something that stays.
revoke_all() {
  list "$1" get-iam-policy "$2" '--flatten=bindings[].members' '--format=value(bindings.members,bindings.role)'
  # One role under two conditions is listed twice, and removed at once.
  ((${#FOUND[@]} == 0)) || mapfile -t FOUND < <(printf '%s\n' "${FOUND[@]}" | sort -u)
  if $DRY_RUN; then echo "# … and one remove-iam-policy-binding for each role of our accounts"; fi
  local name line
  for name in "${FUNCTIONS[@]}" "${CALLERS[@]}" builder; do
    for line in "${FOUND[@]}"; do
      [[ ${line%%$'\t'*} == "$(member "$name")" ]] || continue
      cloud "$1" remove-iam-policy-binding "$2" "--member=$(member "$name")" "--role=${line#*$'\t'}" --all --format=none
    done
  done
}
