// Deliveries of SNS as they come over the network, from a sender with a key of its own and a host that has its
// certificate and takes confirmations.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { fetchDocument } from '../aws/fetch-document.ts';
import { createSnsIntake } from '../triggers/sns/sns-intake.ts';
import { selfSignedCertificate } from '../triggers/testing/self-signed-certificate.ts';
import {
  confirmation,
  notification,
  signedBySns,
  type SnsFields,
  TOPIC_ARN,
} from '../triggers/testing/sns-sender.ts';
import { type CallAnswer, openTestApi, type TestApi } from './testing/open-test-api.ts';

const { pem, privateKey } = selfSignedCertificate();
const PEM_PATH = '/SimpleNotificationService-0.pem';
const STRANGE_TOPIC = 'arn:aws:sns:eu-central-1:999999999999:s3-events';

const CHANGE = JSON.stringify({
  Records: [
    {
      eventSource: 'aws:s3',
      eventName: 'ObjectCreated:Put',
      s3: { bucket: { name: 'photos' }, object: { key: 'a+b.jpg' } },
    },
  ],
});

interface SnsHost {
  readonly url: string;
  /** Paths that were asked for, with what they asked. */
  readonly asked: string[];
  status: number;
}

/** A host that speaks for SNS. */
async function openSnsHost(t: TestContext): Promise<SnsHost> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(host.status).end(request.url === PEM_PATH ? pem : '<ok/>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const host = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked, status: 200 };
  return host;
}

async function openWithTopic(
  t: TestContext,
  deps: Parameters<typeof openTestApi>[1] = {},
): Promise<{ api: TestApi; host: SnsHost }> {
  const host = await openSnsHost(t);
  const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now(), sleep: async () => {} };
  const sns = createSnsIntake({ topicArns: [TOPIC_ARN], endpoint: host.url, fetchDocument, clock });
  const key = { scope: 'admin', id: 'x', sha256: 'a'.repeat(64) } as const;
  return { host, api: await openTestApi(t, { auth: 'keys', apiKeys: [key], sns, ...deps }) };
}

async function deliver(
  api: TestApi,
  fields: SnsFields,
  headers: Readonly<Record<string, string>> = {},
  path = '/v1/events',
): Promise<CallAnswer> {
  return api.call('POST', path, {
    body: JSON.stringify(fields),
    headers: {
      'content-type': 'text/plain; charset=UTF-8',
      'x-amz-sns-message-type': fields['Type'] ?? '',
      'x-amz-sns-topic-arn': fields['TopicArn'] ?? '',
      ...headers,
    },
  });
}

function signed(host: SnsHost, message: string, fields: SnsFields = {}): SnsFields {
  return signedBySns(notification(message, { SigningCertURL: host.url + PEM_PATH, ...fields }), privateKey);
}

function signedConfirmation(
  host: SnsHost,
  fields: SnsFields = {},
  type?: 'UnsubscribeConfirmation',
): SnsFields {
  const SigningCertURL = host.url + PEM_PATH;
  return signedBySns(confirmation(type, { SigningCertURL, ...fields }, host.url), privateKey);
}

test('a notification becomes transfers and is answered 200; the same again is stored once', async (t) => {
  const { api, host } = await openWithTopic(t);
  const fields = signed(host, CHANGE);
  const answer = await deliver(api, fields);
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json?.['accepted'], 1);
  const { lease, source } = await api.claimOne();
  assert.equal(source.key, 'a b.jpg');
  await api.queue.finish(lease, { outcome: 'already_current', receipt: null, owed: false });
  assert.equal((await deliver(api, fields)).status, 200);
  assert.equal((await api.queue.counts()).byStatus.queued, 0);
  assert.deepEqual(host.asked, [PEM_PATH]);
});

test('also where the subscription asks for JSON as the type of the body', async (t) => {
  const { api, host } = await openWithTopic(t);
  const answer = await deliver(api, signed(host, CHANGE), { 'content-type': 'application/json' });
  assert.equal(answer.status, 200);
});

test('what a notification carries and nobody can read goes to the quarantine, and is answered 200', async (t) => {
  const { api, host } = await openWithTopic(t);
  for (const message of [
    'not JSON',
    JSON.stringify({ Records: [JSON.parse(CHANGE).Records[0], { eventSource: 'aws:s3' }] }),
  ])
    assert.equal((await deliver(api, signed(host, message))).status, 200);
  assert.equal((await api.queue.counts()).quarantined, 2);
  assert.equal((await api.queue.counts()).byStatus.queued, 1, 'the good record beside the bad one');
  const { records } = await api.queue.listQuarantine({ cursor: null, limit: 10 });
  for (const { raw } of records) assert.doesNotMatch(raw, /Unsubscribe|Signature/);
});

test('a subscription of a listed topic is confirmed, its end is told and nothing is asked for it', async (t) => {
  const { api, host } = await openWithTopic(t);
  const fields = signedConfirmation(host);
  assert.equal((await deliver(api, fields)).status, 200);
  const confirmedAt = (fields['SubscribeURL'] ?? '').slice(host.url.length);
  assert.deepEqual(host.asked, [PEM_PATH, confirmedAt]);
  const ended = signedConfirmation(host, {}, 'UnsubscribeConfirmation');
  assert.equal((await deliver(api, ended)).status, 200);
  assert.deepEqual(host.asked, [PEM_PATH, confirmedAt]);
  assert.deepEqual(
    api.log.map(({ level, message }) => `${level} ${message}`),
    [
      'info SNS: the subscription is confirmed',
      'warn SNS: somebody ended the subscription; nothing comes from this topic any more',
    ],
  );
});

test('a subscription of a stranger is not confirmed and nothing is fetched for it, whatever the header says', async (t) => {
  const { api, host } = await openWithTopic(t);
  const SubscribeURL = `${host.url}/?Action=ConfirmSubscription&TopicArn=${STRANGE_TOPIC}&Token=x`;
  const fields = signedConfirmation(host, { TopicArn: STRANGE_TOPIC, SubscribeURL, Token: 'x' });
  for (const headers of [{}, { 'x-amz-sns-topic-arn': TOPIC_ARN }]) {
    const answer = await deliver(api, fields, headers);
    assert.deepEqual([answer.status, answer.json?.['code']], [403, 'sns_not_accepted']);
  }
  assert.deepEqual(host.asked, []);
  assert.equal(api.log.length, 2);
  for (const { level, facts } of api.log) {
    assert.equal(level, 'warn');
    assert.match(String(facts['reason']), /does not name the topic .*999999999999:s3-events/);
  }
});

test('a stranger is refused by the headers alone: nothing of the body is read', async (t) => {
  const { api } = await openWithTopic(t);
  const answer = await api.call('POST', '/v1/events', {
    body: '{'.repeat(1_000),
    headers: {
      'content-type': 'text/plain',
      'x-amz-sns-message-type': 'Notification',
      'x-amz-sns-topic-arn': STRANGE_TOPIC,
    },
  });
  assert.deepEqual([answer.status, answer.json?.['code']], [403, 'sns_not_accepted']);
});

test('without a list of topics SNS is refused with the remedy, and raw deliveries always are', async (t) => {
  const { api, host } = await openWithTopic(t);
  const raw = await deliver(api, JSON.parse(CHANGE) as SnsFields, {
    'x-amz-sns-rawdelivery': 'true',
    'x-amz-sns-message-type': 'Notification',
    'x-amz-sns-topic-arn': TOPIC_ARN,
  });
  assert.deepEqual([raw.status, raw.json?.['code']], [403, 'sns_raw_delivery']);
  assert.match(String(raw.json?.['remedy']), /RawMessageDelivery off/);
  const elsewhere = await deliver(api, signed(host, CHANGE), {}, '/v1/replicate');
  assert.deepEqual([elsewhere.status, elsewhere.json?.['code']], [403, 'sns_not_accepted']);
  const deaf = await openTestApi(t);
  const refused = await deliver(deaf, signed(host, CHANGE));
  assert.deepEqual([refused.status, refused.json?.['code']], [403, 'sns_not_accepted']);
  assert.match(String(refused.json?.['remedy']), /SNS_TOPIC_ARNS/);
  assert.deepEqual(host.asked, []);
});

test('a forged or old delivery is 403, what is no message 400, a certificate that cannot be had 503', async (t) => {
  const { api, host } = await openWithTopic(t);
  const fields = signed(host, CHANGE);
  host.status = 500;
  const later = await deliver(api, fields);
  assert.deepEqual(
    [later.status, later.json?.['code'], later.headers.get('retry-after')],
    [503, 'sns_not_checked', '5'],
  );
  host.status = 200;
  const other = await openWithTopic(t);
  const mine = signed(other.host, CHANGE);
  const Timestamp = new Date(Date.now() - 2 * 86_400_000).toISOString();
  for (const [wrong, status, code] of [
    [{ ...mine, Message: '{}' }, 403, 'sns_not_verified'],
    [signed(other.host, CHANGE, { Timestamp }), 403, 'sns_not_verified'],
    [{ ...mine, SigningCertURL: 'https://evil.example/a.pem' }, 403, 'sns_not_verified'],
    [{ ...mine, Type: 'Other' }, 400, 'sns_malformed'],
  ] as const) {
    const answer = await deliver(other.api, wrong);
    assert.deepEqual([answer.status, answer.json?.['code']], [status, code]);
  }
  assert.equal((await other.api.queue.counts()).byStatus.queued, 0);
});

test('a delivery above the size of any message is 413, announced or not, and other types stay 415', async (t) => {
  const { api, host } = await openWithTopic(t, { limits: { snsBodyBytes: 4_000 } });
  const large = signed(host, 'x'.repeat(4_000));
  assert.equal((await deliver(api, large)).status, 413);
  const chunked = await fetch(`${api.url}/v1/events`, {
    method: 'POST',
    duplex: 'half',
    body: new Blob([JSON.stringify(large)]).stream(),
    headers: { 'content-type': 'text/plain', 'x-amz-sns-message-type': 'Notification' },
  });
  assert.equal(chunked.status, 413);
  await chunked.body?.cancel();
  assert.equal((await deliver(api, signed(host, '{}'), { 'content-type': 'text/html' })).status, 415);
  assert.equal((await deliver(api, signed(host, '{}'), { 'content-encoding': 'gzip' })).status, 415);
  const plain = await api.call('POST', '/v1/events', {
    body: '{}',
    headers: { 'content-type': 'text/plain' },
  });
  assert.equal(plain.status, 415, 'text is read of SNS only');
  assert.deepEqual(host.asked, []);
});

test('a full service tells SNS to come again', async (t) => {
  const { api, host } = await openWithTopic(t);
  api.queue.acceptDelivery = async () => Promise.reject(new Error('disk full'));
  const answer = await deliver(api, signed(host, CHANGE));
  assert.deepEqual([answer.status, answer.json?.['code']], [503, 'queue_unavailable']);
});
