# shellcheck shell=bash
# Topics to which executors publish by themselves: a distributor's own, which its config names. docs: docs/deploy.md

# One for each distributor that has one: NAME<TAB>projects/P/topics/T.
OWN_TOPICS=()

# Asked of the distributors file itself, which is read like the settings: a dry run knows it, too.
read_own_topics() {
  local lines line topic
  lines=$(env "PATH=$PWD/node_modules/.bin:$PATH" node build/topics.ts "$DISTRIBUTORS" </dev/null) ||
    fail "the distributors of $DISTRIBUTORS cannot be read; was npm ci run?"
  [[ -n $lines ]] || return 0
  while IFS= read -r line; do
    topic=${line#*$'\t'}
    [[ $topic == projects/* ]] || topic=projects/$PROJECT_ID/topics/$topic
    # What comes on these is ours already; dead letters of dead letters would have no end.
    if [[ $topic == "$(full_name "$TOPIC")" || $topic == "$(full_name "$DEAD_LETTERS")" ]]; then
      fail "$DISTRIBUTORS: ${line%%$'\t'*}.config.topic: $topic is the distributor's own; the executor needs another one"
    fi
    OWN_TOPICS+=("${line%%$'\t'*}"$'\t'"$topic")
  done <<<"$lines"
}

full_name() {
  echo "projects/$PROJECT_ID/topics/$1"
}

# Of those that are in this project. Another project's are its owner's to create. FOUND has the topics that are there.
create_own_topics() {
  local topic
  for topic in "${OWN_TOPICS[@]#*$'\t'}"; do
    [[ $topic == "$(full_name "${topic##*/}")" ]] || continue
    found "${topic##*/}" || cloud pubsub topics create "${topic##*/}"
    # Several distributors may share it.
    FOUND+=("${topic##*/}")
  done
}

# Sets FOUND to NAME<TAB>TOPIC of every subscription.
list_subscriptions() {
  list pubsub subscriptions list '--format=value(name.basename(),topic)'
}

# The topic of a subscription that was found; fails for one that was not.
topic_of() {
  local line
  for line in "${FOUND[@]}"; do
    if [[ ${line%%$'\t'*} == "$1" ]]; then
      echo "${line#*$'\t'}"
      return
    fi
  done
  return 1
}

# A full stop is in no PREFIX: no other deployment's subscription begins like this.
own_subscription() {
  echo "$SUBSCRIPTION.$1"
}

subscribe_own_topics() {
  local line name topic ADVICE
  for line in "${OWN_TOPICS[@]}"; do
    name=${line%%$'\t'*} topic=${line#*$'\t'}
    ADVICE=
    if [[ $topic != "$(full_name "${topic##*/}")" ]]; then
      ADVICE="the owner of $topic has to create it and to grant you roles/pubsub.subscriber on it; then run deploy.sh again"
    fi
    push_to_notify "$(own_subscription "$name")" "$topic" "/distributors/$name"
  done

  # Of distributors that are gone, or have no topic any more.
  for name in "${FOUND[@]%%$'\t'*}"; do
    [[ $name == "$(own_subscription '')"* ]] || continue
    is_wanted "${name#"$(own_subscription '')"}" || cloud pubsub subscriptions delete "$name"
  done
}

is_wanted() {
  local name
  for name in "${OWN_TOPICS[@]%%$'\t'*}"; do
    [[ $name != "$1" ]] || return 0
  done
  return 1
}
