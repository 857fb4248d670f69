# One word a line, in lower case.
words() {
  tr -cs 'A-Za-z' '\n' | tr 'A-Z' 'a-z' | each_line print_word
}

print_word() {
  [ -z "$1" ] || printf '%s\n' "$1"
}
