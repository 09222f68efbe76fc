#!/usr/bin/env python3
"""Tests the API with a Python client that discovers everything by reflection.

    tests/clients/python_client.py ADDRESS

Services and messages come from the server's reflection (v1alpha, as most tools still ask for). It imports
a thousand people in chunks over one bidirectional call, checks their opt-in one by one, in a batch and in
a conversation, and streams a segment to its end, dropping the connection once on the way.
"""

import queue
import sys

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

PACKAGE = "whatatalk.contacts.v1"
DEADLINE_S = 60
ROWS_PER_CHUNK = 250
CHUNKS = 4
UNKNOWN = "15559999999"
MALFORMED = "12"


class Api:
    """Calls methods by name with dicts as requests, using descriptors from reflection."""

    def __init__(self, channel):
        self.channel = channel
        reflection = ProtoReflectionDescriptorDatabase(channel)
        self.services = set(reflection.get_services())
        self.pool = descriptor_pool.DescriptorPool(reflection)

    def message(self, name, **fields):
        message_class = message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))
        return json_format.ParseDict(fields, message_class(), descriptor_pool=self.pool)

    def call(self, method, **fields):
        described, invoke = self.method(method)
        return invoke(self.message(described.input_type.full_name, **fields), timeout=DEADLINE_S)

    def converse(self, method, requests):
        """A bidirectional call; `requests` yields dicts."""
        described, invoke = self.method(method)
        return invoke((self.message(described.input_type.full_name, **one) for one in requests), timeout=DEADLINE_S)

    def method(self, name):
        service, method = name.split(".")
        described = self.pool.FindServiceByName(f"{PACKAGE}.{service}").FindMethodByName(method)
        kind = f"{'stream' if described.client_streaming else 'unary'}_{'stream' if described.server_streaming else 'unary'}"
        answer = message_factory.GetMessageClass(described.output_type)
        return described, getattr(self.channel, kind)(
            f"/{PACKAGE}.{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )

    def enum(self, name, number):
        return self.pool.FindEnumTypeByName(f"{PACKAGE}.{name}").values_by_number[number].name

    def error_reason(self, error):
        """The reason in the one ErrorInfo of a failed call."""
        trailers = dict(error.trailing_metadata())
        status = self.message("google.rpc.Status")
        status.ParseFromString(trailers["grpc-status-details-bin"])
        expect("the details repeat the status", (status.code, status.message), (error.code().value[0], error.details()))
        infos = [any_ for any_ in status.details if any_.Is(self.message("google.rpc.ErrorInfo").DESCRIPTOR)]
        expect("there is one ErrorInfo", len(infos), 1)
        info = self.message("google.rpc.ErrorInfo")
        infos[0].Unpack(info)
        expect("it is of our domain", info.domain, "contacts.whatatalk")
        return info.reason


checks = 0


def expect(what, actual, expected):
    global checks
    if actual != expected:
        sys.exit(f"FAIL {what}: {actual!r} is not {expected!r}")
    checks += 1


def phone(index):
    return f"1555{2000000 + index}"


def define(api):
    expect("a tag", api.call("TagService.CreateTag", tag={"tag_id": "autumn_sale"}).tag.tag_id, "autumn_sale")
    made = api.call("AttributeService.CreateAttribute", attribute={"display_name": "City", "type": "ATTRIBUTE_TYPE_STRING"})
    expect("an attribute", made.attribute.attribute_id, "city")
    api.call("AttributeService.CreateAttribute", attribute={"attribute_id": "orders", "type": "ATTRIBUTE_TYPE_NUMBER"})


def row(index):
    return {
        "contact": {
            "phone_number": phone(index),
            "first_name": "Zoë",
            "last_name": "李小龍 🎋",
            "tags": ["autumn_sale"] if index % 2 == 0 else [],
            "attributes": {"city": {"string": "Lisboa"}, "orders": {"number": index}},
        }
    }


def import_contacts(api):
    """Sends each chunk after the response to the previous one. The server must not wait for the end."""
    to_send = queue.SimpleQueue()
    answers = api.converse("ContactService.ImportContacts", iter(to_send.get, None))
    consent = {"status": "OPT_IN_STATUS_OPTED_IN", "source": "OPT_IN_SOURCE_PAPER", "evidence": {"wording": "Yes, write to me"}}
    to_send.put({"options": {"on_conflict": "ON_CONFLICT_MERGE", "consent": consent}})
    for chunk in range(CHUNKS):
        rows = [row(chunk * ROWS_PER_CHUNK + index) for index in range(ROWS_PER_CHUNK)]
        rows.insert(7, {"contact": {"phone_number": MALFORMED}})
        to_send.put({"chunk": {"chunk_id": f"chunk-{chunk}", "rows": rows}})
        answer = next(answers)
        expect("the answer names its chunk", answer.chunk_id, f"chunk-{chunk}")
        expect("the good rows landed", answer.created, ROWS_PER_CHUNK)
        expect("the bad one failed, by its index", [failure.row for failure in answer.failures], [7])
        expect("as INVALID_ARGUMENT", answer.failures[0].status.code, grpc.StatusCode.INVALID_ARGUMENT.value[0])
    to_send.put(None)
    expect("nothing follows the last chunk", list(answers), [])

    answer = api.call("ContactService.GetContact", phone_number=phone(3)).contact
    expect("names come back as sent", (answer.first_name, answer.last_name), ("Zoë", "李小龍 🎋"))
    expect("so do values", (answer.attributes["city"].string, answer.attributes["orders"].number), ("Lisboa", 3.0))


def check(api):
    opted_out = phone(5)
    api.call("OptInService.RecordOptOut", phone_number=opted_out, source="OPT_IN_SOURCE_IVR")

    def decide(number):
        answer = api.call("OptInService.CheckOptIn", phone_number=number, category="MESSAGE_CATEGORY_MARKETING")
        return api.enum("Decision", answer.decision), api.enum("CheckReason", answer.reason)

    expect("an opted-in person", decide(phone(0)), ("DECISION_ALLOW", "CHECK_REASON_OPTED_IN"))
    expect("an opted-out one", decide(opted_out), ("DECISION_DENY", "CHECK_REASON_OPTED_OUT"))
    expect("an unknown one", decide(UNKNOWN), ("DECISION_DENY", "CHECK_REASON_UNKNOWN_CONTACT"))

    everybody = [phone(index) for index in range(CHUNKS * ROWS_PER_CHUNK)]
    numbers = [*everybody, UNKNOWN, MALFORMED, *everybody]
    denied = {
        5: "CHECK_REASON_OPTED_OUT",
        len(everybody): "CHECK_REASON_UNKNOWN_CONTACT",
        len(everybody) + 1: "CHECK_REASON_INVALID_PHONE_NUMBER",
        len(everybody) + 2 + 5: "CHECK_REASON_OPTED_OUT",
    }

    def expect_batch(what, answer):
        expect(f"{what}: an answer for each", (len(answer.decisions), len(answer.reasons)), (len(numbers), len(numbers)))
        refused = {
            index: api.enum("CheckReason", reason)
            for index, (decision, reason) in enumerate(zip(answer.decisions, answer.reasons))
            if api.enum("Decision", decision) != "DECISION_ALLOW"
        }
        expect(f"{what}: exactly these are refused", refused, denied)

    expect_batch("a batch", api.call("OptInService.BatchCheckOptIn", phone_numbers=numbers))
    plain = [number for number in numbers if number.isascii() and number.isdigit()]
    texts = api.call("OptInService.BatchCheckOptIn", phone_numbers=plain)
    integers = api.call("OptInService.BatchCheckOptIn", phones=[int(number) for number in plain])
    expect("integers are answered like texts", list(integers.reasons), list(texts.reasons))
    batches = 5
    answers = list(api.converse("OptInService.CheckOptInStream", ({"phone_numbers": numbers} for _ in range(batches))))
    expect("a conversation: every batch is answered", len(answers), batches)
    for answer in answers:
        expect_batch("a conversation", answer)


def stream_segment(api):
    segment = 'tags:autumn_sale AND attributes.city = "Lisboa" AND opt_in = OPTED_IN'
    wanted = {phone(index) for index in range(0, CHUNKS * ROWS_PER_CHUNK, 2)}
    counted = api.call("ContactService.CountContacts", filter=segment).count
    expect("the segment is counted", counted, len(wanted))

    request = {"filter": segment, "max_batch_size": 100}
    delivered, end = [], None
    dropped = api.call("ContactService.StreamContacts", **request)
    for message in dropped:
        delivered += [contact.phone_number for contact in message.batch.contacts]
        if message.WhichOneof("event") == "batch":
            request["resume_token"] = message.resume_token
            break
    dropped.cancel()
    expect("some arrived before the connection dropped", 0 < len(delivered) <= 100, True)

    for message in api.call("ContactService.StreamContacts", **request):
        expect("nothing follows the end", end, None)
        delivered += [contact.phone_number for contact in message.batch.contacts]
        if message.WhichOneof("event") == "end":
            end = message.end
    expect("nobody was delivered twice", len(delivered), len(set(delivered)))
    expect("nobody was left out", set(delivered), wanted)
    expect("the end says so", api.enum("StreamEndReason", end.reason), "STREAM_END_REASON_COMPLETE")
    expect("and counts both parts", end.delivered_count, len(wanted))


def refusals(api):
    def refused(method, **fields):
        try:
            answer = api.call(method, **fields)
            if not hasattr(answer, "DESCRIPTOR"):
                list(answer)
        except grpc.RpcError as error:
            return error.code().name, api.error_reason(error)
        return "OK", None

    expect("a malformed number", refused("OptInService.CheckOptIn", phone_number=MALFORMED), ("INVALID_ARGUMENT", "INVALID_PHONE_NUMBER"))
    expect("an unknown contact", refused("ContactService.GetContact", phone_number=UNKNOWN), ("NOT_FOUND", "CONTACT_NOT_FOUND"))
    taken = refused("ContactService.CreateContact", contact={"phone_number": phone(0)})
    expect("a duplicate", taken, ("ALREADY_EXISTS", "CONTACT_ALREADY_EXISTS"))
    expect("a filter that does not parse", refused("ContactService.StreamContacts", filter='first_name = "'), ("INVALID_ARGUMENT", "INVALID_FILTER"))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with grpc.insecure_channel(sys.argv[1]) as channel:
        grpc.channel_ready_future(channel).result(timeout=DEADLINE_S)
        api = Api(channel)
        ours = {f"{PACKAGE}.{kind}Service" for kind in ("Workspace", "Contact", "Tag", "Attribute", "OptIn")}
        expect("reflection lists our services", ours - api.services, set())
        for part in (define, import_contacts, check, stream_segment, refusals):
            part(api)
            print(f"  ok {part.__name__.replace('_', ' ')}")
    print(f"{checks} checks with Python's gRPC passed")


if __name__ == "__main__":
    main()
