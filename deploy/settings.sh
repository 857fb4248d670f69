# shellcheck shell=bash
# The settings file is read as text and never run: NAME=value a line, without quotes.

# What each setting looks like; there are no others.
declare -A PATTERN=(
  [PROJECT_ID]='[a-z][a-z0-9-]{4,28}[a-z0-9]'
  [REGION]='[a-z]+-[a-z]+[0-9]+'
  # Service accounts have names of at most 30 characters: PREFIX-scheduler-invoker.
  [PREFIX]='[a-z][a-z0-9-]{0,10}[a-z0-9]'
  [DATABASE]='\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9]'
  [DATABASE_LOCATION]='[a-z][a-z0-9-]*[0-9]'
  # Documents have 16 shards, and a shard has one queue.
  [QUEUES]='[1-9]|1[0-6]'
  # A job that cannot be stopped is followed for seven days, and needs its documents.
  [RETENTION_DAYS]='1[2-9]|[2-9][0-9]|[1-9][0-9]{2,3}'
  [MAX_INSTANCES]='[1-9][0-9]{0,2}|1000'
  [LOG_LEVEL]='info|warn|error'
  [DISTRIBUTORS]='[A-Za-z0-9._/-]+'
  [SECRETS]='([A-Za-z_][A-Za-z0-9_]*=[A-Za-z0-9_-]+:[1-9][0-9]*)(,[A-Za-z_][A-Za-z0-9_]*=[A-Za-z0-9_-]+:[1-9][0-9]*)*'
  [EXECUTOR_ROLES]='((projects/[a-z0-9-]+/)?roles/[A-Za-z0-9._]+)(,(projects/[a-z0-9-]+/)?roles/[A-Za-z0-9._]+)*'
  [API_CALLERS]='((user|group|serviceAccount|domain):[A-Za-z0-9@._+-]+)(,(user|group|serviceAccount|domain):[A-Za-z0-9@._+-]+)*'
)
declare -A EXPECTED=(
  [PROJECT_ID]='the id of a project, such as my-project'
  [REGION]='a region, such as us-central1'
  [PREFIX]='2 to 12 lower-case letters, digits and dashes, beginning with a letter'
  [DATABASE]='(default), or 4 to 63 lower-case letters, digits and dashes'
  [DATABASE_LOCATION]='a location of Firestore, such as us-central1 or nam5'
  [QUEUES]='a number from 1 to 16'
  [RETENTION_DAYS]='a number of days from 12 to 9999'
  [MAX_INSTANCES]='a number from 1 to 1000'
  [LOG_LEVEL]='info, warn or error'
  [DISTRIBUTORS]='a file'
  [SECRETS]='NAME=secret:version,… with numeric versions'
  [EXECUTOR_ROLES]='roles/a.b,…'
  [API_CALLERS]='user:a@b.c,group:…,serviceAccount:…'
)
# Variables that the functions have already, or that would change how Node or the framework runs.
RESERVED='PORT|K_.*|GOOGLE_.*|CLOUD_RUN_.*|FUNCTION_.*|NODE_.*|SIGNING_KEY_.*|DATABASE|LOCATION|QUEUES|QUEUE_PREFIX|TASKS_URL|TASKS_CALLER|TOPIC|JOB_URL|LOG_LEVEL|RETENTION_DAYS|LOCAL|.*_EMULATOR_HOST'

# Sets one variable for each setting, or stops with the name of what is wrong.
read_settings() {
  local file=$1 line name value number=0
  declare -A given=()
  [[ -f $file ]] || fail "there is no settings file $file; start from deploy.env.example"
  while IFS= read -r line || [[ -n $line ]]; do
    number=$((number + 1))
    line=${line%$'\r'}
    [[ $line =~ ^[[:space:]]*(#.*)?$ ]] && continue
    [[ $line =~ ^([A-Z_]+)=(.*)$ ]] || fail "$file:$number: not of the form NAME=value"
    name=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
    [[ -n ${PATTERN[$name]-} ]] || fail "$file:$number: unknown setting $name"
    [[ -z ${given[$name]+x} ]] || fail "$file:$number: $name is set twice"
    # An empty value is the default.
    [[ -z $value || $value =~ ^(${PATTERN[$name]})$ ]] || fail "$file:$number: $name must be ${EXPECTED[$name]}"
    given[$name]=$value
  done <"$file"

  for name in PROJECT_ID REGION; do
    [[ -n ${given[$name]-} ]] || fail "$file: $name is missing: ${EXPECTED[$name]}"
  done
  PROJECT_ID=${given[PROJECT_ID]}
  REGION=${given[REGION]}
  PREFIX=${given[PREFIX]:-distributor}
  DATABASE=${given[DATABASE]:-(default)}
  DATABASE_LOCATION=${given[DATABASE_LOCATION]:-$REGION}
  QUEUES=${given[QUEUES]:-1}
  RETENTION_DAYS=${given[RETENTION_DAYS]-}
  MAX_INSTANCES=${given[MAX_INSTANCES]:-20}
  LOG_LEVEL=${given[LOG_LEVEL]:-warn}
  DISTRIBUTORS=${given[DISTRIBUTORS]:-distributors.yaml}
  SECRETS=${given[SECRETS]-}
  split EXECUTOR_ROLES "${given[EXECUTOR_ROLES]-}"
  split API_CALLERS "${given[API_CALLERS]-}"

  [[ -f $DISTRIBUTORS ]] || fail "$file: DISTRIBUTORS: there is no file $DISTRIBUTORS"
  check_secrets "$file"
}

check_secrets() {
  local file=$1 entry name names=,
  split SECRET_ENTRIES "$SECRETS"
  for entry in "${SECRET_ENTRIES[@]}"; do
    name=${entry%%=*}
    [[ ! $name =~ ^($RESERVED)$ ]] || fail "$file: SECRETS: the name $name is taken"
    [[ $names != *",$name,"* ]] || fail "$file: SECRETS: $name is given twice"
    names+="$name,"
  done
}

# split ARRAY TEXT: the parts of a list with commas.
split() {
  IFS=, read -ra "${1?}" <<<"$2"
}
