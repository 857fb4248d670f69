# Each line between bars.
frame() {
  each_line print_framed
}

print_framed() {
  printf '| %-10s |\n' "$1"
}
