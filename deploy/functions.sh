# shellcheck shell=bash
# The five functions on Cloud Run.

# Requests that an instance takes at once. They mostly wait for Firestore or an executor.
CONCURRENCY=80

build_bundles() {
  step 'Bundles'
  run env "DISTRIBUTORS=$DISTRIBUTORS" npm run build
}

# Whoever checks a new key comes before the one that signs with it: job and notify, then tasks.
deploy_functions() {
  local shared stored
  # NODE_ENV: the framework shows the text of errors otherwise.
  shared=$(join NODE_ENV=production "GOOGLE_CLOUD_PROJECT=$PROJECT_ID" "DATABASE=$DATABASE" "LOCATION=$REGION" "QUEUES=$QUEUES" \
    "QUEUE_PREFIX=$PREFIX" "TASKS_URL=$(url tasks)" "TASKS_CALLER=$(account tasks-invoker)" "LOG_LEVEL=$LOG_LEVEL")
  stored=$(join "$shared" "${RETENTION_DAYS:+RETENTION_DAYS=$RETENTION_DAYS}")

  # Public, for jobs that have no Google identity: what it accepts are our tokens. The check is switched off rather than
  # opened to allUsers, as Google advises (https://cloud.google.com/run/docs/authenticating/public): organizations that
  # restrict sharing by domain refuse allUsers, and gcloud only warns then.
  deploy_function job "$(join "$stored" "TOPIC=$TOPIC")" "$(mounted_keys)" \
    --no-invoker-iam-check --ingress=all "--max-instances=$MAX_INSTANCES" --timeout=300
  # An adapter may ask its executor, which is given up after 30 s. Pub/Sub of this project counts as internal.
  deploy_function notify "$stored" "$(join "$(mounted_keys)" "$SECRETS")" \
    --invoker-iam-check --ingress=internal "--max-instances=$MAX_INSTANCES" --timeout=60
  # A task of the http adapter waits for its service for up to 480 s.
  deploy_function tasks "$(join "$stored" "TOPIC=$TOPIC" "JOB_URL=$(url job)")" "$(join "$(mounted_keys)" "$SECRETS")" \
    --invoker-iam-check --ingress=internal "--max-instances=$MAX_INSTANCES" --timeout=600
  # `:wait` answers after at most 300 s.
  deploy_function api "$stored" '' \
    --invoker-iam-check --ingress=all "--max-instances=$MAX_INSTANCES" --timeout=330
  # It stops by itself after 45 s. Two at once would only enqueue the same wake-ups.
  deploy_function sweep "$shared" '' \
    --invoker-iam-check --ingress=internal --max-instances=1 --timeout=60

  step 'Callers'
  let_call notify "$(member push-invoker)"
  let_call tasks "$(member tasks-invoker)"
  let_call sweep "$(member scheduler-invoker)"
  local caller
  for caller in "${API_CALLERS[@]}"; do let_call api "$caller"; done
}

# Arguments: name, variables, secrets, more flags.
# memory: an instance stays below 200 MiB; the rest is for bodies, of at most 1 MiB, of requests that come at once.
# cpu: with less than a whole one an instance takes one request at a time.
# min-instances: nothing is paid for while nothing happens.
# GOOGLE_NODE_RUN_SCRIPTS: the bundle is built; the buildpack must not look for a build script.
deploy_function() {
  local name=$1 variables=$2 secrets=$3
  shift 3
  step "Function $name"
  # What was just granted to a new account may take minutes to hold. Each try of a broken build costs minutes, too.
  local how=cloud TRIES=3
  if $ACCOUNTS_ARE_NEW; then how=cloud_patiently; fi
  "$how" run deploy "$PREFIX-$name" "--source=dist/$name" "--function=$name" --base-image=nodejs24 "--region=$REGION" \
    "--service-account=$(account "$name")" \
    "--build-service-account=projects/$PROJECT_ID/serviceAccounts/$(account builder)" \
    --set-build-env-vars=GOOGLE_NODE_RUN_SCRIPTS= "--set-env-vars=$variables" \
    "$([[ -n $secrets ]] && echo "--set-secrets=$secrets" || echo --clear-secrets)" \
    --memory=512Mi --cpu=1 --cpu-throttling --cpu-boost "--concurrency=$CONCURRENCY" --min-instances=0 "$@"
}

let_call() {
  grant "$2" roles/run.invoker run services add-iam-policy-binding "$PREFIX-$1" "--region=$REGION" --condition=None
}

show_result() {
  if $DRY_RUN; then return; fi
  local name
  echo "== Running in $PROJECT_ID"
  for name in "${FUNCTIONS[@]}"; do printf '%-7s %s\n' "$name" "$(url "$name")"; done
  cat <<END

Try it:
  curl -s -H "Authorization: Bearer \$(gcloud auth print-identity-token)" $(url api)/v1/distributors
END
}
