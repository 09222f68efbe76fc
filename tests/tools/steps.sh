# shellcheck shell=bash
# Sourced by tests/run and .ci/run. Runs and times named steps, continues after a failed one, and prints a
# summary at the end.

step_lines=()
step_failures=0

# step NAME COMMAND...
# A function given as COMMAND has to return its failures: bash disables `set -e` inside it.
step() {
  local name=$1 began=$SECONDS result=ok
  shift
  printf '\n=== %s\n' "$name"
  "$@" || result="FAILED (exit code $?)"
  [ "$result" = ok ] || step_failures=$((step_failures + 1))
  step_lines+=("$(printf '%-10s %5s s  %s' "$name" "$((SECONDS - began))" "$result")")
  printf '=== %s: %s after %s s\n' "$name" "$result" "$((SECONDS - began))"
}

# Prints the steps and their durations. Fails if a step failed.
steps_summary() {
  printf '\n=== summary of %s\n' "$1"
  printf '%s\n' "${step_lines[@]}"
  [ "$step_failures" = 0 ]
}
