# shellcheck shell=bash
# Sourced by tests/run and .ci/run: runs named steps one after the other, each timed, goes on after a
# failed one, and sums up at the end.

step_lines=()
step_failures=0

# step NAME COMMAND...
# A function given as COMMAND must return its failures itself: bash switches `set -e` off inside.
step() {
  local name=$1 began=$SECONDS result=ok
  shift
  printf '\n=== %s\n' "$name"
  "$@" || result="FAILED (exit code $?)"
  [ "$result" = ok ] || step_failures=$((step_failures + 1))
  step_lines+=("$(printf '%-10s %5s s  %s' "$name" "$((SECONDS - began))" "$result")")
  printf '=== %s: %s after %s s\n' "$name" "$result" "$((SECONDS - began))"
}

# Prints what ran and how long it took; false when anything failed.
steps_summary() {
  printf '\n=== summary of %s\n' "$1"
  printf '%s\n' "${step_lines[@]}"
  [ "$step_failures" = 0 ]
}
