# Runs a command for each line.
each_line() {
  while IFS= read -r line; do "$@" "$line"; done
}
