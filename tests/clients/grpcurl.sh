#!/usr/bin/env bash
# Tests the API with grpcurl and buf, against a new server.
#
#   tests/clients/grpcurl.sh ADDRESS
set -euo pipefail

address=${1:?usage: tests/clients/grpcurl.sh ADDRESS}
package=whatatalk.contacts.v1
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
checks=0

fail() {
  printf 'FAIL %s\n' "$*" >&2
  printf 'stdout: %s\nstderr: %s\n' "$(head -c 2000 "$scratch/out")" "$(head -c 2000 "$scratch/err")" >&2
  exit 1
}

# run PROGRAM...: runs a program and keeps its output and exit code for the checks below.
run() {
  status=0
  "$@" >"$scratch/out" 2>"$scratch/err" || status=$?
}

# Calls a method with one JSON request, or with several for a request stream.
grpcurl_call() { run grpcurl -plaintext -max-time 30 -d "$2" "$address" "$package.$1"; }

buf_call() {
  local reflection=$1
  run buf curl --protocol grpc --http2-prior-knowledge --reflect-protocol "$reflection" \
    --data "$3" "http://$address/$package.$2"
}

# holds WHAT CONDITION: checks that the call succeeded and that CONDITION, a Python expression, is true.
# `r` is the list of responses and `a` the first one. JSON omits zero values, so read those with get().
holds() {
  [ "$status" = 0 ] || fail "$1: exit code $status"
  python3 - "$scratch/out" "$2" >"$scratch/verdict" 2>&1 <<'PYTHON' || fail "$1: not so: $2 ($(tail -n 1 "$scratch/verdict"))"
import json, sys
text, r, decoder = open(sys.argv[1]).read().strip(), [], json.JSONDecoder()
while text:
    message, end = decoder.raw_decode(text)
    r.append(message)
    text = text[end:].strip()
a = r[0]
assert eval(sys.argv[2])
PYTHON
  passed "$1"
}

# shows WHAT TEXT: checks that the call succeeded and printed TEXT.
shows() {
  [ "$status" = 0 ] || fail "$1: exit code $status"
  grep -qF -- "$2" "$scratch/out" || fail "$1: '$2' is not in the output"
  passed "$1"
}

# grpcurl_refused WHAT CODE REASON [TEXT]: checks that the call failed with this code and reason, that
# grpcurl decoded the details by reflection, and that they or the message contain TEXT.
grpcurl_refused() {
  [ "$status" != 0 ] || fail "$1: should have been refused"
  grep -qF "Code: $2" "$scratch/err" || fail "$1: the code is not $2"
  grep -qE "\"reason\": ?\"$3\"" "$scratch/err" || fail "$1: no ErrorInfo with reason $3"
  grep -qE '"domain": ?"contacts.whatatalk"' "$scratch/err" || fail "$1: no ErrorInfo of our domain"
  ! grep -qE '@(error|value)"' "$scratch/err" || fail "$1: a detail did not resolve by reflection"
  [ -z "${4:-}" ] || grep -qF -- "$4" "$scratch/err" || fail "$1: '$4' is not in the error"
  passed "$1"
}

passed() {
  checks=$((checks + 1))
  printf '  ok %s\n' "$1"
}

echo 'Looking around'
run grpcurl -plaintext "$address" list
for service in WorkspaceService ContactService TagService AttributeService OptInService; do
  shows "list shows $service" "$package.$service"
done
shows 'list shows the health service' grpc.health.v1.Health
run grpcurl -plaintext "$address" describe $package.OptInService.CheckOptIn
shows 'describe shows a method' "rpc CheckOptIn ( .$package.CheckOptInRequest ) returns ( .$package.CheckOptInResponse );"
run grpcurl -plaintext -msg-template "$address" describe $package.Contact
shows 'describe shows a message' 'string phone_number = 2'
shows 'describe shows a template' '"phoneNumber": ""'
run grpcurl -plaintext "$address" describe google.rpc.ErrorInfo
shows 'describe shows the error details' 'string reason = 1'
run grpcurl -plaintext "$address" grpc.health.v1.Health/Check
holds 'the server is healthy' 'a == {"status": "SERVING"}'
run grpcurl -plaintext -d "{\"service\": \"$package.OptInService\"}" "$address" grpc.health.v1.Health/Check
holds 'a service is healthy' 'a == {"status": "SERVING"}'

echo 'Tags, attributes, a contact'
grpcurl_call TagService/CreateTag '{"tag": {"display_name": "Event attendee", "color": "#3366cc"}}'
holds 'a tag gets an id of its name' 'a["tag"]["tagId"] == "event_attendee"'
grpcurl_call AttributeService/CreateAttribute '{"attribute": {"display_name": "State", "type": "ATTRIBUTE_TYPE_STRING"}}'
holds 'an attribute gets an id of its name' 'a["attribute"]["attributeId"] == "state"'
grpcurl_call AttributeService/CreateAttribute '{"attribute": {"attribute_id": "loyalty_tier", "type": "ATTRIBUTE_TYPE_ENUM", "enum_options": ["Silver", "Gold"]}}'
holds 'an enum attribute' 'a["attribute"]["enumOptions"] == ["Silver", "Gold"]'
grpcurl_call ContactService/CreateContact '{"contact": {"phone_number": "+1 (555) 123-4567", "first_name": "Ana", "last_name": "García", "tags": ["event_attendee"], "attributes": {"state": {"string": "California"}, "loyalty_tier": {"string": "Gold"}}}}'
holds 'a contact is made, its number normalised' 'a["contact"]["phoneNumber"] == "15551234567" and a["contact"]["etag"]'
holds 'a new contact was not asked' 'a["contact"]["optIn"]["marketing"] == "OPT_IN_STATUS_NOT_ASKED"'
contact_id=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["contact"]["contactId"])' <"$scratch/out")
grpcurl_call ContactService/GetContact '{"phone_number": "1-555-123-4567"}'
holds 'it is found by any writing of its number' "a['contact']['contactId'] == '$contact_id'"
holds 'its attributes read well' 'a["contact"]["attributes"]["state"] == {"string": "California"}'
grpcurl_call ContactService/UpdateContact '{"contact": {"phone_number": "15551234567", "attributes": {"loyalty_tier": {"string": "Silver"}}}}'
holds 'an update without a mask changes what it names' \
  'a["contact"]["attributes"]["loyalty_tier"] == {"string": "Silver"} and a["contact"]["firstName"] == "Ana"'
grpcurl_call ContactService/UpdateContact '{"contact": {"phone_number": "15551234567"}, "update_mask": {"paths": ["last_name", "attributes.loyalty_tier"]}}'
holds 'an update with a mask clears what is empty' \
  '"lastName" not in a["contact"] and set(a["contact"]["attributes"]) == {"state"}'

echo 'Consent'
grpcurl_call OptInService/CheckOptIn '{"phone_number": "15551234567"}'
holds 'nothing recorded is a no' 'a["decision"] == "DECISION_DENY" and a["reason"] == "CHECK_REASON_NOT_ASKED"'
grpcurl_call OptInService/CheckOptIn '{"phone_number": "15559999999"}'
holds 'an unknown person is a no, not an error' \
  'a["decision"] == "DECISION_DENY" and a["reason"] == "CHECK_REASON_UNKNOWN_CONTACT"'
grpcurl_call OptInService/RecordOptIn '{"phone_number": "15551234567", "categories": ["MESSAGE_CATEGORY_MARKETING"], "source": "OPT_IN_SOURCE_WEB_FORM", "evidence": {"wording": "Send me offers on WhatsApp", "wording_version": "2026-03", "business_name": "Acme"}}'
holds 'an opt-in is recorded' 'a["optIn"]["marketing"] == "OPT_IN_STATUS_OPTED_IN" and a["event"]["eventId"]'
grpcurl_call OptInService/CheckOptIn '{"phone_number": "15551234567", "category": "MESSAGE_CATEGORY_MARKETING"}'
holds 'then marketing is allowed' 'a["decision"] == "DECISION_ALLOW" and a["reason"] == "CHECK_REASON_OPTED_IN"'
holds 'the answer names its proof' "a['contactId'] == '$contact_id' and a['eventId'] and a['consentTime'] and a['checkTime']"
grpcurl_call OptInService/CheckOptIn '{"phone_number": "15551234567", "category": "MESSAGE_CATEGORY_UTILITY"}'
holds 'the other categories are not' 'a["decision"] == "DECISION_DENY"'

echo 'Segments'
segment='tags:event_attendee AND attributes.state = \"California\" AND opt_in = OPTED_IN'
grpcurl_call ContactService/ListContacts "{\"filter\": \"$segment\"}"
holds 'a filter finds the contact' "[c['contactId'] for c in a['contacts']] == ['$contact_id']"
grpcurl_call ContactService/ListContacts '{"query": "an"}'
holds 'the search bar finds it by a prefix' 'len(a["contacts"]) == 1'
grpcurl_call ContactService/CountContacts "{\"filter\": \"$segment\"}"
holds 'it is counted' 'a["count"] == "1"'
grpcurl_call ContactService/StreamContacts "{\"filter\": \"$segment\"}"
holds 'it is streamed, to an explicit end' \
  'r[-1]["end"] == {"deliveredCount": "1", "reason": "STREAM_END_REASON_COMPLETE"} and sum(len(m["batch"]["contacts"]) for m in r if "batch" in m) == 1'
holds 'every message can be resumed behind' 'all(m["resumeToken"] for m in r)'

echo 'In bulk'
grpcurl_call ContactService/ImportContacts '
  {"options": {"on_conflict": "ON_CONFLICT_MERGE", "create_missing_tags": true, "add_tags": ["spring_sale"],
    "consent": {"status": "OPT_IN_STATUS_OPTED_IN", "evidence": {"wording": "Paper form"}}}}
  {"chunk": {"chunk_id": "1", "rows": [{"contact": {"phone_number": "15551230001"}}, {"contact": {"phone_number": "12"}}]}}
  {"chunk": {"chunk_id": "2", "rows": [{"contact": {"phone_number": "15551230002"}}]}}'
holds 'an import answers each chunk' '[m["chunkId"] for m in r] == ["1", "2"] and r[1]["created"] == 1'
holds 'one bad row fails alone' 'a["created"] == 1 and len(a["failures"]) == 1 and a["failures"][0]["row"] == 1'
holds 'and says why' \
  '[d["reason"] for d in a["failures"][0]["status"]["details"] if d["@type"].endswith("/google.rpc.ErrorInfo")] == ["INVALID_PHONE_NUMBER"]'
grpcurl_call OptInService/BatchCheckOptIn '{"phone_numbers": ["15551230001", "15559999999", "12", "15551234567"]}'
holds 'a batch is answered index for index' \
  'a["decisions"] == ["DECISION_ALLOW", "DECISION_DENY", "DECISION_DENY", "DECISION_ALLOW"]'
holds 'with its reasons' \
  'a["reasons"] == ["CHECK_REASON_OPTED_IN", "CHECK_REASON_UNKNOWN_CONTACT", "CHECK_REASON_INVALID_PHONE_NUMBER", "CHECK_REASON_OPTED_IN"]'
grpcurl_call OptInService/BatchCheckOptIn '{"phones": [15551230001, 15559999999, 12]}'
holds 'and by numbers as integers' 'a["decisions"] == ["DECISION_ALLOW", "DECISION_DENY", "DECISION_DENY"]'
grpcurl_call ContactService/UpdateContactTags '{"filter": "tags:spring_sale", "expected_count": 2, "remove_tags": ["spring_sale"]}'
holds 'tags are edited in bulk' 'a["matchedCount"] == "2" and a["updatedCount"] == "2"'

echo 'What is refused, and what the error says'
grpcurl_call ContactService/CreateContact '{"contact": {"phone_number": "15551234567"}}'
grpcurl_refused 'a duplicate, naming the other' AlreadyExists CONTACT_ALREADY_EXISTS "$contact_id"
grpcurl_call ContactService/GetContact '{"phone_number": "15559999999"}'
grpcurl_refused 'an unknown contact' NotFound CONTACT_NOT_FOUND
grpcurl_call OptInService/CheckOptIn '{"phone_number": "+1 555 CALL-NOW"}'
grpcurl_refused 'letters in a number' InvalidArgument INVALID_PHONE_NUMBER phone_number
grpcurl_call OptInService/CheckOptIn '{}'
grpcurl_refused 'nobody named' InvalidArgument REQUIRED_FIELD_MISSING
grpcurl_call OptInService/RecordOptIn '{"phone_number": "15551234567"}'
grpcurl_refused 'an opt-in without a source' InvalidArgument REQUIRED_FIELD_MISSING source
grpcurl_call ContactService/ListContacts '{"filter": "tags:event_attendee AND attributes.state = \"California"}'
grpcurl_refused 'an unclosed quote, naming the column' InvalidArgument INVALID_FILTER column
grpcurl_call ContactService/CreateContact '{"contact": {"phone_number": "15551230003", "tags": ["event_atendee"]}}'
grpcurl_refused 'an unknown tag, with a suggestion' InvalidArgument UNKNOWN_TAG event_attendee
grpcurl_call ContactService/CreateContact '{"contact": {"phone_number": "15551230003", "attributes": {"state": {"number": 5}}}}'
grpcurl_refused 'a value of the wrong type' InvalidArgument WRONG_ATTRIBUTE_TYPE STRING
grpcurl_call AttributeService/CreateAttribute '{"attribute": {"attribute_id": "opted_in", "type": "ATTRIBUTE_TYPE_BOOLEAN"}}'
grpcurl_refused 'an attribute that stands for consent' InvalidArgument RESERVED_ID OptInService
grpcurl_call ContactService/UpdateContact '{"contact": {"phone_number": "15551234567", "opt_in": {"marketing": "OPT_IN_STATUS_OPTED_IN"}}}'
grpcurl_refused 'consent through an update' InvalidArgument OUTPUT_ONLY_FIELD opt_in
grpcurl_call ContactService/CountContacts '{"workspace_id": "no_such_workspace"}'
grpcurl_refused 'an unknown workspace' NotFound WORKSPACE_NOT_FOUND no_such_workspace

echo 'Objecting, and being forgotten'
grpcurl_call OptInService/RecordOptOut '{"phone_number": "15551234567", "source": "OPT_IN_SOURCE_INBOUND_MESSAGE", "reason_text": "STOP"}'
holds 'an opt-out is recorded' 'a["optIn"]["marketing"] == "OPT_IN_STATUS_OPTED_OUT"'
grpcurl_call OptInService/CheckOptIn '{"phone_number": "15551234567"}'
holds 'and seen by the next check' 'a["decision"] == "DECISION_DENY" and a["reason"] == "CHECK_REASON_OPTED_OUT"'
grpcurl_call OptInService/ListOptInEvents '{"phone_number": "15551234567"}'
holds 'the ledger has both, newest first' \
  '[e["status"] for e in a["events"]] == ["OPT_IN_STATUS_OPTED_OUT", "OPT_IN_STATUS_OPTED_IN"]'
grpcurl_call ContactService/DeleteContact '{"phone_number": "15551234567", "reason": "DELETE_REASON_PERSON_REQUEST"}'
holds 'an erasure returns its receipt' "a['receipt']['contactId'] == '$contact_id' and a['receipt']['receiptId']"
grpcurl_call ContactService/GetContact '{"phone_number": "15551234567"}'
grpcurl_refused 'the contact is gone' NotFound CONTACT_NOT_FOUND
grpcurl_call OptInService/CheckOptIn '{"phone_number": "15551234567"}'
holds 'its no is not' 'a["decision"] == "DECISION_DENY"'

echo 'buf, by both versions of reflection'
for reflection in grpc-v1 grpc-v1alpha; do
  buf_call $reflection OptInService/CheckOptIn '{"phone_number": "15551230001"}'
  holds "$reflection: a check" 'a["decision"] == "DECISION_ALLOW"'
  buf_call $reflection ContactService/StreamContacts '{"view": "CONTACT_VIEW_BASIC"}'
  holds "$reflection: a stream" 'r[-1]["end"]["reason"] == "STREAM_END_REASON_COMPLETE"'
  buf_call $reflection ContactService/UpdateContact '{"contact": {"phone_number": "15551230001", "first_name": "Bo"}, "update_mask": "firstName"}'
  holds "$reflection: an update with a mask" 'a["contact"]["firstName"] == "Bo"'
  buf_call $reflection ContactService/GetContact '{"phone_number": "15559999999"}'
  [ "$status" = $((5 << 3)) ] || fail "$reflection: an unknown contact: exit code $status is not NOT_FOUND's"
  grep -qF '"type": "google.rpc.ErrorInfo"' "$scratch/err" || fail "$reflection: no ErrorInfo in the error"
  passed "$reflection: a refusal"
done

printf '%s checks with grpcurl and buf passed\n' "$checks"
