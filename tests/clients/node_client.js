#!/usr/bin/env node
// Tests the API with a Node.js client that loads the .proto files.
//
//     tests/clients/node_client.js ADDRESS
//
// Checks consent before and after an opt-in, decodes the details of failed calls, imports over a
// bidirectional call and streams a segment to its end.
'use strict';

const assert = require('node:assert/strict');
const { createRequire } = require('node:module');
const path = require('node:path');

const installed = createRequire(path.join(__dirname, '..', '.tools', 'node', 'package.json'));
const grpc = installed('@grpc/grpc-js');
const protoLoader = installed('@grpc/proto-loader');

const V1 = 'whatatalk/contacts/v1';
const definitions = protoLoader.loadSync(
  [`${V1}/contact_service.proto`, `${V1}/opt_in_service.proto`, `${V1}/tag_service.proto`, 'google/rpc/error_details.proto'],
  {
    includeDirs: [path.join(__dirname, '..', '..', 'proto')],
    keepCase: true,
    enums: String,
    longs: Number,
    defaults: true,
    oneofs: true,
  },
);
const api = grpc.loadPackageDefinition(definitions).whatatalk.contacts.v1;

const deadline = () => new Date(Date.now() + 60_000);

// A unary call as a promise.
function call(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, { deadline: deadline() }, (error, answer) => (error ? reject(error) : resolve(answer)));
  });
}

// The error of a call that is expected to fail, with its details by message name.
async function refusal(promise) {
  const error = await promise.then(
    (answer) => assert.fail(`should have been refused, was answered ${JSON.stringify(answer)}`),
    (failed) => failed,
  );
  assert.ok(error.metadata, String(error.stack));
  const [encoded] = error.metadata.get('grpc-status-details-bin');
  assert.ok(encoded, `no details: ${error}`);
  const status = definitions['google.rpc.Status'].deserialize(encoded);
  assert.equal(status.code, error.code);
  const details = {};
  for (const { type_url, value } of status.details) {
    const name = type_url.slice(type_url.lastIndexOf('/') + 1);
    assert.ok(definitions[name], `unknown detail ${name}`);
    assert.ok(!(name in details), `two details ${name}`);
    details[name.replace('google.rpc.', '')] = definitions[name].deserialize(value);
  }
  assert.equal(details.ErrorInfo.domain, 'contacts.whatatalk');
  return { code: error.code, message: error.details, reason: details.ErrorInfo.reason, details };
}

async function main(address) {
  const credentials = grpc.credentials.createInsecure();
  const contacts = new api.ContactService(address, credentials);
  const optIn = new api.OptInService(address, credentials);
  const tags = new api.TagService(address, credentials);
  const phone_number = '15551230101';

  await step('a unary check', async () => {
    const unknown = await call(optIn, 'CheckOptIn', { phone_number });
    assert.equal(unknown.decision, 'DECISION_DENY');
    assert.equal(unknown.reason, 'CHECK_REASON_UNKNOWN_CONTACT');

    const { contact } = await call(contacts, 'CreateContact', { contact: { phone_number, first_name: 'José' } });
    const notAsked = await call(optIn, 'CheckOptIn', { contact_id: contact.contact_id });
    assert.equal(notAsked.reason, 'CHECK_REASON_NOT_ASKED');

    const recorded = await call(optIn, 'RecordOptIn', { phone_number, source: 'OPT_IN_SOURCE_WEB_FORM' });
    assert.equal(recorded.opt_in.marketing, 'OPT_IN_STATUS_OPTED_IN');
    const allowed = await call(optIn, 'CheckOptIn', { phone_number, category: 'MESSAGE_CATEGORY_MARKETING' });
    assert.equal(allowed.decision, 'DECISION_ALLOW');
    assert.equal(allowed.contact_id, contact.contact_id);
    const age = Date.now() / 1000 - allowed.check_time.seconds;
    assert.ok(Math.abs(age) < 60, `check_time is ${age} s old`);
  });

  await step('the details of failed calls', async () => {
    const malformed = await refusal(call(optIn, 'CheckOptIn', { phone_number: '+1 555 CALL-NOW' }));
    assert.equal(malformed.code, grpc.status.INVALID_ARGUMENT);
    assert.equal(malformed.reason, 'INVALID_PHONE_NUMBER');
    assert.equal(malformed.details.BadRequest.field_violations[0].field, 'phone_number');
    assert.ok(!malformed.message.includes('CALL'), 'the error repeats what may be personal');

    const duplicate = await refusal(call(contacts, 'CreateContact', { contact: { phone_number } }));
    assert.equal(duplicate.code, grpc.status.ALREADY_EXISTS);
    const { contact } = await call(contacts, 'GetContact', { phone_number });
    assert.equal(duplicate.details.ErrorInfo.metadata.contact_id, contact.contact_id);

    const missing = await refusal(call(contacts, 'GetContact', { phone_number: '15559999999' }));
    assert.equal(missing.code, grpc.status.NOT_FOUND);
    assert.equal(missing.reason, 'CONTACT_NOT_FOUND');
  });

  await step('an import and a stream', async () => {
    await call(tags, 'CreateTag', { tag: { tag_id: 'node' } });
    const upload = contacts.ImportContacts({ deadline: deadline() });
    upload.write({ options: { on_conflict: 'ON_CONFLICT_SKIP', add_tags: ['node'] } });
    const numbers = Array.from({ length: 300 }, (_, index) => `1555${3000000 + index}`);
    for (let chunk = 0; chunk < 3; chunk += 1) {
      const rows = numbers.slice(chunk * 100, (chunk + 1) * 100).map((number) => ({ contact: { phone_number: number } }));
      upload.write({ chunk: { chunk_id: String(chunk), rows } });
    }
    upload.end();
    const answered = [];
    for await (const { chunk_id, created } of upload) answered.push([chunk_id, created]);
    assert.deepEqual(answered, [['0', 100], ['1', 100], ['2', 100]]);

    const delivered = [];
    let last;
    for await (const message of contacts.StreamContacts({ filter: 'tags:node', max_batch_size: 50 }, { deadline: deadline() })) {
      if (message.event === 'batch') delivered.push(...message.batch.contacts.map((contact) => contact.phone_number));
      last = message;
    }
    assert.equal(last.event, 'end');
    assert.deepEqual(last.end, { delivered_count: 300, reason: 'STREAM_END_REASON_COMPLETE' });
    assert.deepEqual(delivered.sort(), numbers);
  });

  for (const client of [contacts, optIn, tags]) client.close();
}

async function step(name, body) {
  await body();
  console.log(`  ok ${name}`);
}

if (process.argv.length !== 3) {
  console.error('usage: tests/clients/node_client.js ADDRESS');
  process.exit(2);
}
main(process.argv[2]).then(
  () => console.log("Node's gRPC client passed"),
  (error) => {
    console.error('FAIL', error);
    process.exit(1);
  },
);
