#!/usr/bin/env bash
# Calls a server that demands API tokens with grpcurl. Starts one of its own.
#
#   CONTACTS_TEST_PROGRAM=target/debug/contacts-service tests/clients/tokens.sh [ADDRESS, not used]
set -euo pipefail

program=${CONTACTS_TEST_PROGRAM:?the contacts-service to test}
service=whatatalk.contacts.v1
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT
database="sqlite://$scratch/contacts.db"

fail() {
  printf 'FAIL %s\n' "$1" >&2
  cat "$scratch/out" "$scratch/err" "$scratch/server.err" >&2 || true
  exit 1
}

# call TOKEN METHOD JSON: calls a method, and keeps its output.
call() {
  status=0
  grpcurl -plaintext -max-time 30 -H "authorization: Bearer $1" -d "$3" "$address" "$service.$2" \
    >"$scratch/out" 2>"$scratch/err" || status=$?
}

succeeds() {
  [ "$status" = 0 ] && grep -qF -- "$2" "$scratch/out" || fail "$1"
  printf '  ok %s\n' "$1"
}

refused() {
  # Without reflection, which needs a token too, grpcurl says it in another way.
  [ "$status" != 0 ] && grep -qE "(Code:|code =) $2" "$scratch/err" || fail "$1"
  printf '  ok %s\n' "$1"
}

: >"$scratch/server.out"
"$program" --listen 127.0.0.1:0 --database-url "$database" --auth tokens \
  >"$scratch/server.out" 2>"$scratch/server.err" </dev/null &
server=$!
address=
for _ in {1..300}; do
  address=$(sed -n 's/^listening on //p' "$scratch/server.out")
  [ -z "$address" ] || break
  kill -0 "$server" 2>/dev/null || fail 'the server did not start'
  sleep 0.1
done
[ -n "$address" ] || fail 'the server did not start in time'

create() { "$program" token create --database-url "$database" --name "$1" "${@:2}" 2>"$scratch/err"; }
admin=$(create admin --scope admin --all-workspaces)
sender=$(create sender --scope opt_in.check --workspace default)

status=0
grpcurl -plaintext "$address" list >"$scratch/out" 2>"$scratch/err" || status=$?
[ "$status" != 0 ] || fail 'reflection needs a token'
printf '  ok reflection needs a token\n'
call "$admin" ContactService/CreateContact '{"contact": {"phone_number": "15551234567"}}'
succeeds 'an admin creates a contact' '"15551234567"'
call "$sender" OptInService/CheckOptIn '{"phone_number": "15551234567"}'
succeeds 'a sender checks' DECISION_DENY
call "$sender" ContactService/GetContact '{"phone_number": "15551234567"}'
refused 'a sender reads no contact' PermissionDenied
call "$sender" OptInService/CheckOptIn '{"workspace_id": "acme", "phone_number": "15551234567"}'
refused 'a sender checks in no other workspace' PermissionDenied
call contacts_x OptInService/CheckOptIn '{"phone_number": "15551234567"}'
refused 'what is no token is refused' Unauthenticated
call "$admin" TokenService/CreateToken \
  '{"token": {"name": "x", "scopes": ["TOKEN_SCOPE_CONTACTS_READ"], "all_workspaces": true}}'
succeeds 'an admin creates a token' '"secret": "contacts_'
call "$admin" TokenService/ListTokens '{}'
succeeds 'an admin lists tokens' TOKEN_SCOPE_OPT_IN_CHECK
