# shellcheck shell=bash
# The signing key: a secret whose enabled versions are all accepted, and whose newest one signs.

create_keys() {
  step 'Signing key'
  list secrets list '--format=value(name.basename())'
  found "$SIGNING_KEY" || cloud secrets create "$SIGNING_KEY" --replication-policy=user-managed "--locations=$REGION"
  local name entry secret
  # `api` and `sweep` sign nothing and check nothing.
  for name in job notify tasks; do
    grant "$(member "$name")" roles/secretmanager.secretAccessor secrets add-iam-policy-binding "$SIGNING_KEY" --condition=None
  done
  for entry in "${SECRET_ENTRIES[@]}"; do
    secret=${entry#*=}
    for name in tasks notify; do
      grant "$(member "$name")" roles/secretmanager.secretAccessor secrets add-iam-policy-binding "${secret%:*}" \
        --condition=None
    done
  done

  read_key_versions
  if $ROTATE_KEY || ((${#KEY_VERSIONS[@]} == 0)); then
    add_key
    if $DRY_RUN; then KEY_VERSIONS=(1); fi
  fi
  [[ -n ${KEY_VERSIONS[*]-} ]] || fail "the secret $SIGNING_KEY has no enabled version"
  retire_key
}

# Sets KEY_VERSIONS, the oldest first.
read_key_versions() {
  list secrets versions list "$SIGNING_KEY" '--format=value(name.basename(),state)'
  local line
  KEY_VERSIONS=()
  for line in "${FOUND[@]}"; do
    [[ $line != *$'\t'ENABLED ]] || KEY_VERSIONS+=("${line%%$'\t'*}")
  done
  ((${#KEY_VERSIONS[@]} == 0)) || mapfile -t KEY_VERSIONS < <(printf '%s\n' "${KEY_VERSIONS[@]}" | sort -n)
}

# The key goes from one pipe into the next: no command line, file or log ever holds it. Its number is what the command
# answers: a list may not show a new version for minutes (https://cloud.google.com/secret-manager/docs/consistency).
add_key() {
  local line=(gcloud secrets versions add "$SIGNING_KEY" --data-file=- '--format=value(name.basename())'
    "--project=$PROJECT_ID" --quiet) added
  if $DRY_RUN; then
    echo "head -c 32 /dev/urandom | base64 | tr -d '\\n' | $(quoted "${line[@]}")"
  else
    added=$(head -c 32 /dev/urandom | base64 | tr -d '\n' | "${line[@]}") || failed_command "${line[@]}"
    [[ $added =~ ^[0-9]+$ ]] || failed_command "${line[@]}"
    KEY_VERSIONS+=("$added")
  fi
}

# Takes the retired version out of KEY_VERSIONS.
retire_key() {
  [[ -n $RETIRED_KEY ]] || return 0
  local version kept=()
  if $DRY_RUN; then return; fi
  for version in "${KEY_VERSIONS[@]}"; do
    [[ $version == "$RETIRED_KEY" ]] || kept+=("$version")
  done
  ((${#kept[@]} < ${#KEY_VERSIONS[@]})) || fail "--retire-key $RETIRED_KEY: no enabled version of $SIGNING_KEY has this number"
  [[ $RETIRED_KEY != "${KEY_VERSIONS[-1]}" ]] || fail "--retire-key $RETIRED_KEY: this is the version that signs; first --rotate-key"
  KEY_VERSIONS=("${kept[@]}")
}

# Only after every function is deployed without it: an instance does not start when one of its secrets is disabled.
disable_retired_key() {
  [[ -n $RETIRED_KEY ]] || return 0
  step 'Retired key'
  cloud secrets versions disable "$RETIRED_KEY" "--secret=$SIGNING_KEY"
}

# SIGNING_KEY_1=secret:1,… for every key in use. Versions are named by number, so that a rollback finds the same keys.
mounted_keys() {
  local version keys=()
  for version in "${KEY_VERSIONS[@]}"; do keys+=("SIGNING_KEY_$version=$SIGNING_KEY:$version"); done
  join "${keys[@]}"
}

# Its arguments that are not empty, with commas between them.
join() {
  local part text=
  for part in "$@"; do
    [[ -z $part ]] || text+=${text:+,}$part
  done
  echo "$text"
}
