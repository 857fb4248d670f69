# How many lines there are.
count() {
  lines=0
  while read -r _; do lines=$((lines + 1)); done
  printf '%d words\n' "$lines"
}
