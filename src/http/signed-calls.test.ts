// Signed calls over real sockets: what a signature opens, what it does not, and that a call that comes again is
// answered again and stored once.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { signWebhook, verifyWebhook } from '../triggers/webhook-signature.ts';
import { type CallAnswer, openTestApi, type TestApi } from './testing/open-test-api.ts';

const SECRETS = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)] as const;
const STRANGER = new Uint8Array(32).fill(3);
const OBJECT = { bucket: 'photos', key: 'a.jpg' };
const DOCUMENT = {
  Records: [
    {
      eventSource: 'aws:s3',
      eventName: 'ObjectCreated:Put',
      s3: { bucket: { name: 'photos' }, object: { key: 'a.jpg' } },
    },
  ],
};

async function openSigned(t: TestContext, deps: Parameters<typeof openTestApi>[1] = {}): Promise<TestApi> {
  return openTestApi(t, {
    auth: 'keys',
    checkSignature: ({ headers, body }) =>
      verifyWebhook({ headers, body, secrets: SECRETS, nowMs: Date.now() }),
    ...deps,
  });
}

interface Signing {
  readonly id?: string;
  readonly secret?: Uint8Array;
  readonly ageSec?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

let lastId = 0;

function headersFor(body: string, { id = `msg_${++lastId}`, secret = SECRETS[0], ageSec = 0 }: Signing = {}) {
  const timestampSec = Math.floor(Date.now() / 1000) - ageSec;
  return { 'content-type': 'application/json', ...signWebhook({ id, timestampSec, body }, secret) };
}

async function post(
  api: TestApi,
  path: string,
  json: object | string,
  signing: Signing = {},
): Promise<CallAnswer> {
  const body = typeof json === 'string' ? json : JSON.stringify(json);
  return api.call('POST', path, { body, headers: { ...headersFor(body, signing), ...signing.headers } });
}

async function queued(api: TestApi): Promise<number> {
  return (await api.queue.list({ filter: {}, cursor: null, limit: 100 })).transfers.length;
}

test('a signature with any of the secrets hands over changes, over both paths', async (t) => {
  const api = await openSigned(t);
  assert.equal((await post(api, '/v1/replicate', OBJECT)).status, 202);
  const answer = await post(api, '/v1/events', DOCUMENT, { secret: SECRETS[1] });
  assert.deepEqual([answer.status, answer.json?.['accepted']], [202, 1]);
});

test('a wrong, missing or old signature is 401 with what is wrong, and nothing is stored', async (t) => {
  const api = await openSigned(t);
  const body = JSON.stringify(OBJECT);
  const signed: Record<string, string> = headersFor(body);
  const { 'webhook-id': _, ...withoutId } = signed;
  const cases: readonly (readonly [headers: Record<string, string>, code: string, detail: RegExp])[] = [
    [headersFor(body, { secret: STRANGER }), 'signature_invalid', /fits no configured secret/],
    [headersFor(`${body} `), 'signature_invalid', /fits no configured secret/],
    [headersFor(body, { ageSec: 301 }), 'signature_invalid', /30[12] s old/],
    [headersFor(body, { ageSec: -310 }), 'signature_invalid', /s ahead/],
    [withoutId, 'signature_invalid', /webhook-id/],
    [{ ...signed, 'webhook-signature': '' }, 'signature_invalid', /webhook-signature/],
    [{ 'content-type': 'application/json' }, 'unauthorized', /Authorization/],
  ];
  for (const path of ['/v1/replicate', '/v1/events'])
    for (const [headers, code, detail] of cases) {
      const answer = await api.call('POST', path, { body, headers });
      assert.deepEqual([answer.status, answer.json?.['code']], [401, code]);
      assert.match(String(answer.json?.['detail']), detail);
    }
  assert.equal(await queued(api), 0);
});

test('a signature opens the two calls that hand over changes, and no other', async (t) => {
  const api = await openSigned(t);
  await post(api, '/v1/replicate', OBJECT);
  const calls = [
    ['GET', '/v1/transfers'],
    ['GET', '/v1/status'],
    ['GET', '/metrics'],
    ['POST', '/v1/redrive'],
    ['POST', '/v1/backfills'],
    ['POST', '/v1/transfers/transfer-1/retry'],
    ['POST', '/v1/alerts/test'],
  ] as const;
  for (const [method, path] of calls) {
    const body = method === 'GET' ? '' : '{}';
    const answer = await api.call(method, path, {
      headers: headersFor(body),
      ...(method === 'GET' ? {} : { body }),
    });
    assert.equal(answer.status, 401, `${method} ${path}`);
  }
});

test('nothing of the body is interpreted before its signature was checked', async (t) => {
  const api = await openSigned(t);
  for (const body of ['{', '['.repeat(100_000), '{"bucket":1}']) {
    assert.equal((await post(api, '/v1/replicate', body, { secret: STRANGER })).status, 401);
  }
  assert.equal((await post(api, '/v1/replicate', '{')).status, 400);
  assert.equal((await post(api, '/v1/events', '['.repeat(100_000))).status, 413);
  assert.equal((await post(api, '/v1/replicate', { ...OBJECT, key: 'k'.repeat(2 ** 20) })).status, 413);
  const { 'content-type': _, ...untyped } = headersFor('');
  const empty = await api.call('POST', '/v1/replicate', { headers: untyped });
  assert.equal(empty.status, 401, 'a call without a body has proved nothing');
});

test('a signed call that comes again is answered 202 again and stored once, whatever became of it', async (t) => {
  const api = await openSigned(t);
  const first = await post(api, '/v1/events', DOCUMENT, { id: 'again' });
  const [transfer] = (first.json?.['transfers'] ?? []) as { id: string }[];
  const claimed = await api.claimOne();
  assert.equal(claimed.lease.transferId, transfer?.id);
  await api.queue.finish(claimed.lease, { outcome: 'already_current', receipt: null, owed: false });
  // Signed anew, as senders do that repeat themselves minutes later.
  const again = await post(api, '/v1/events', DOCUMENT, { id: 'again', ageSec: -60, secret: SECRETS[1] });
  assert.equal(again.status, 202);
  assert.deepEqual(again.json, { ...first.json, transfers: [{ id: transfer?.id, joined: true }] });
  assert.equal(await queued(api), 1);
  assert.equal((await api.queue.counts()).byStatus.queued, 0, 'nothing became due');

  const replicate = await post(api, '/v1/replicate', OBJECT, { id: 'one' });
  const repeated = await post(api, '/v1/replicate', OBJECT, { id: 'one' });
  assert.deepEqual([repeated.status, repeated.json], [202, replicate.json]);
  assert.equal(repeated.headers.get('location'), replicate.headers.get('location'));
});

test('of one signed call sent many times at once, one is stored and all are answered', async (t) => {
  const api = await openSigned(t);
  const malformed = { Records: [{ eventSource: 'aws:s3' }] };
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => post(api, '/v1/events', malformed, { id: 'flood' })),
  );
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([202]));
  assert.equal((await api.queue.counts()).quarantined, 1);
});

test('an id that is used again for another body takes nothing away from it', async (t) => {
  const api = await openSigned(t);
  await post(api, '/v1/replicate', OBJECT, { id: 'same' });
  await post(api, '/v1/replicate', { ...OBJECT, key: 'b.jpg' }, { id: 'same' });
  assert.equal(await queued(api), 2);
});

test('a call that could not be stored is not taken for stored when it comes again', async (t) => {
  let isBroken = true;
  const api = await openSigned(t);
  const acceptDelivery = api.queue.acceptDelivery.bind(api.queue);
  api.queue.acceptDelivery = async (...request) => {
    if (isBroken) throw new Error('disk full');
    return acceptDelivery(...request);
  };
  const refused = await post(api, '/v1/replicate', OBJECT, { id: 'later' });
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '5']);
  isBroken = false;
  assert.equal((await post(api, '/v1/replicate', OBJECT, { id: 'later' })).status, 202);
  assert.equal(await queued(api), 1);
});

test('beside a key the signature counts for nothing, and without secrets it opens nothing', async (t) => {
  const api = await openSigned(t);
  const headers = { authorization: 'Bearer wrong' };
  assert.equal((await post(api, '/v1/replicate', OBJECT, { headers })).json?.['code'], 'unauthorized');
  const sha256 = 'a'.repeat(64);
  const keysOnly = await openSigned(t, {
    checkSignature: null,
    apiKeys: [{ scope: 'write', id: 'x', sha256 }],
  });
  assert.equal((await post(keysOnly, '/v1/replicate', OBJECT)).json?.['code'], 'unauthorized');
  await assert.rejects(openSigned(t, { checkSignature: null }), /at least one API key/);
});
