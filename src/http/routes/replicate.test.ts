import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Transfer } from '../../core/transfer.ts';
import { openMemoryQueue } from '../../queues/memory/memory-queue.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import {
  type CallAnswer,
  openTestApi,
  PHOTOS_RULE,
  receiptOf,
  type TestApi,
} from '../testing/open-test-api.ts';

const OBJECT = { bucket: 'photos', key: '2026/a b+c%25é.jpg' };

const FAULT = {
  code: 'access_denied',
  message: 's3:GetObject is missing on photos',
  details: {},
  atMs: 0,
} as const;

async function replicate(api: TestApi, json: unknown, prefer?: string): Promise<CallAnswer> {
  return api.call('POST', '/v1/replicate', {
    json,
    ...(prefer === undefined ? {} : { headers: { prefer } }),
  });
}

function transfersOf(answer: CallAnswer): Record<string, unknown>[] {
  return answer.json?.['transfers'] as Record<string, unknown>[];
}

test('a known object is stored and answered with 202, its transfer and where to follow it', async (t) => {
  const api = await openTestApi(t);
  const answer = await replicate(api, OBJECT);
  assert.equal(answer.status, 202);
  assert.equal(answer.headers.get('location'), '/v1/transfers/transfer-1');
  const [transfer] = transfersOf(answer);
  assert.deepEqual(transfer, {
    id: 'transfer-1',
    rule: 'default',
    source: OBJECT,
    target: { bucket: 'photos-copy', key: `from-s3/${OBJECT.key}` },
    status: 'queued',
    summary: 'waits for a worker',
    attemptCount: 0,
    bytesDone: 0,
    changeAt: '2026-11-23T09:30:00.000Z',
    createdAt: '2026-11-23T09:30:00.000Z',
    updatedAt: '2026-11-23T09:30:00.000Z',
    nextAttemptAt: '2026-11-23T09:30:00.000Z',
  });
  const stored = await api.queue.get('transfer-1');
  assert.equal(stored?.source.key, OBJECT.key);
});

test('an object of two rules gets two transfers and a location that lists both', async (t) => {
  const second = { ...PHOTOS_RULE, name: 'second', target: { ...PHOTOS_RULE.target, bucket: 'elsewhere' } };
  const api = await openTestApi(t, {
    rules: [PHOTOS_RULE, second],
    publicUrl: 'https://replicator.example/',
  });
  const answer = await replicate(api, OBJECT);
  assert.deepEqual(
    transfersOf(answer).map(({ rule }) => rule),
    ['default', 'second'],
  );
  const location = new URL(answer.headers.get('location') ?? '');
  assert.equal(location.origin, 'https://replicator.example');
  const listed = await api.call('GET', location.pathname + location.search);
  assert.equal(transfersOf(listed).length, 2);
});

const REFUSED_BODIES: readonly (readonly [what: string, body: unknown, detail: string])[] = [
  ['no bucket', { key: 'a' }, 'bucket: is missing'],
  ['no key', { bucket: 'photos' }, 'key: is missing'],
  ['a bucket that is a number', { bucket: 7, key: 'a' }, 'bucket: must be a string'],
  ['a key that is null', { bucket: 'photos', key: null }, 'key: must be a string'],
  ['a key that is an object', { bucket: 'photos', key: {} }, 'key: must be a string'],
  ['an empty key', { bucket: 'photos', key: '' }, 'key: must not be empty'],
  ['an empty bucket', { bucket: '', key: 'a' }, 'bucket: must not be empty'],
  [
    'a key of 1,025 bytes',
    { ...OBJECT, key: 'x'.repeat(1025) },
    'key: must be at most 1024 bytes long in UTF-8',
  ],
  [
    'a key of 513 characters that are 1,026 bytes',
    { ...OBJECT, key: 'é'.repeat(513) },
    'key: must be at most 1024 bytes long in UTF-8',
  ],
  [
    'a key with a lone surrogate',
    { ...OBJECT, key: 'a\ud800b' },
    'key: must be well-formed Unicode, without lone surrogates',
  ],
  ['an unknown field', { ...OBJECT, foo: 1 }, 'unknown field: foo'],
  ['a target of its own', { ...OBJECT, target: { bucket: 'mine' } }, 'unknown field: target'],
  ['a version id that is a number', { ...OBJECT, versionId: 3 }, 'versionId: must be a string'],
  ['a list', [OBJECT], 'body: must be a JSON object'],
  ['null', null, 'body: must be a JSON object'],
  ['a text', 'photos', 'body: must be a JSON object'],
  ['two wrong fields', { bucket: 1, key: 2 }, 'bucket: must be a string; key: must be a string'],
];

test('a wrong body is refused with 400 and a detail that names the field', async (t) => {
  const api = await openTestApi(t);
  for (const [what, body, detail] of REFUSED_BODIES) {
    const answer = await replicate(api, body);
    assert.equal(answer.status, 400, what);
    assert.equal(answer.json?.['code'], 'invalid_request', what);
    assert.equal(answer.json['detail'], detail, what);
  }
  assert.equal((await api.queue.counts()).byStatus.queued, 0);
});

test('a key is taken literally, byte for byte, up to 1,024 bytes', async (t) => {
  const api = await openTestApi(t);
  const keys = [
    'x'.repeat(1024),
    'é'.repeat(512),
    '../../etc/passwd',
    'a\nb\u0000c',
    '%2e%2e/+',
    '__proto__',
    ' ',
  ];
  for (const key of keys) {
    const answer = await replicate(api, { bucket: 'photos', key });
    assert.equal(answer.status, 202, JSON.stringify(key));
    assert.deepEqual(transfersOf(answer)[0]?.['source'], { bucket: 'photos', key });
  }
});

test('an object that no rule covers is refused with 422, whether by its bucket or by its key', async (t) => {
  const api = await openTestApi(t);
  const byBucket = await replicate(api, { bucket: 'strange', key: 'a' });
  assert.equal(byBucket.status, 422);
  assert.equal(byBucket.json?.['code'], 'no_rule');
  assert.equal(byBucket.json['detail'], 'bucket: "strange" belongs to no rule.');
  const byKey = await replicate(api, { bucket: 'docs', key: 'private/a' });
  assert.equal(byKey.status, 422);
  assert.equal(byKey.json?.['detail'], 'bucket, key: the key is outside of every rule of the bucket "docs".');
});

test('a queue that cannot store answers 503 with Retry-After and keeps its reason to the log', async (t) => {
  const api = await openTestApi(t, {
    acceptChanges: async () => {
      throw new Error('disk full at /secret/place');
    },
  });
  const answer = await replicate(api, OBJECT);
  assert.equal(answer.status, 503);
  assert.equal(answer.json?.['code'], 'queue_unavailable');
  assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/);
  assert.doesNotMatch(answer.text, /secret/);
  for (let count = 0; count < 5; count++) assert.equal((await replicate(api, OBJECT)).status, 503);
  const [line, ...others] = api.log.filter(({ level }) => level === 'error');
  assert.match(String(line?.facts['err']), /disk full/);
  assert.deepEqual(others, [], 'It is told once, however many are refused');
});

/** Starts a waiting request and returns once the server waits. */
async function waiting(api: TestApi, json: object, prefer = 'wait=30'): Promise<Promise<CallAnswer>[]> {
  const answer = replicate(api, json, prefer);
  await api.clock.untilSomebodySleeps();
  return [answer];
}

test('Prefer: wait answers 200 with the outcome and the receipt when the transfer is done', async (t) => {
  const api = await openTestApi(t);
  const [answer] = await waiting(api, OBJECT);
  const { lease } = await api.claimOne();
  await api.queue.finish(lease, { outcome: 'replicated', receipt: receiptOf(), owed: false });
  const done = await answer;
  assert.equal(done?.status, 200);
  assert.equal(done.headers.get('preference-applied'), 'wait=30');
  const [transfer] = transfersOf(done);
  assert.equal(transfer?.['status'], 'done');
  assert.equal(transfer['outcome'], 'replicated');
  assert.equal((transfer['receipt'] as { finishedAt: string }).finishedAt, '2026-11-23T09:31:00.000Z');
  assert.equal(api.clock.sleeperCount, 0, 'the timer is gone');
});

test('Prefer: wait answers 200 with a parked transfer, its title and its remedy', async (t) => {
  const api = await openTestApi(t);
  const [answer] = await waiting(api, OBJECT);
  const { lease } = await api.claimOne();
  await api.queue.park(lease, { fault: FAULT, owed: false, delayMsIfDirty: 0 });
  const parked = await answer;
  assert.equal(parked?.status, 200);
  const [transfer] = transfersOf(parked);
  assert.equal(transfer?.['status'], 'parked');
  const fault = transfer['fault'] as Record<string, unknown>;
  assert.equal(fault['code'], 'access_denied');
  assert.equal(fault['title'], 'The service lacks a permission');
  assert.match(String(fault['remedy']), /Grant the permission/);
});

test('a post while its object is being copied waits for the follow-up, not for the running attempt', async (t) => {
  const api = await openTestApi(t);
  await replicate(api, OBJECT);
  const running = await api.claimOne();
  const [answer] = await waiting(api, OBJECT);
  await api.queue.finish(running.lease, { outcome: 'replicated', receipt: receiptOf(), owed: false });
  const followUp = await api.claimOne();
  assert.notEqual(followUp.lease.transferId, running.lease.transferId);
  assert.equal(api.clock.sleeperCount, 1, 'still waiting');
  await api.queue.finish(followUp.lease, {
    outcome: 'replicated',
    receipt: receiptOf({ generation: '2' }),
    owed: false,
  });
  const done = await answer;
  assert.equal(done?.status, 200);
  const [transfer] = transfersOf(done);
  assert.equal(transfer?.['id'], followUp.lease.transferId);
  assert.equal((transfer['receipt'] as { generation: string }).generation, '2');
});

test('a transfer that settles is not at its end', async (t) => {
  const api = await openTestApi(t);
  const [answer] = await waiting(api, OBJECT);
  const { lease } = await api.claimOne();
  await api.queue.finish(lease, { outcome: 'replicated', receipt: receiptOf(), owed: true });
  assert.equal((await api.queue.get(lease.transferId))?.status, 'settling');
  api.clock.advance(30_000);
  assert.equal((await answer)?.status, 202);
});

test('Prefer: wait answers 202 when the time is over, and never waits longer than 60 seconds', async (t) => {
  const api = await openTestApi(t);
  const [answer] = await waiting(api, OBJECT, 'respond-async, wait=600');
  api.clock.advance(59_999);
  // It looked once more meanwhile, and sleeps again for what is left.
  await setImmediate();
  assert.equal(api.clock.sleeperCount, 1, 'still waiting');
  api.clock.advance(1);
  const late = await answer;
  assert.equal(late?.status, 202);
  assert.equal(late.headers.get('preference-applied'), 'wait=60');
  assert.equal(transfersOf(late)[0]?.['status'], 'queued');
});

test('a Prefer header that cannot be read is ignored', async (t) => {
  const api = await openTestApi(t);
  for (const prefer of ['wait=soon', 'wait=-1', 'wait', 'handling=strict']) {
    const answer = await replicate(api, OBJECT, prefer);
    assert.equal(answer.status, 202, prefer);
    assert.equal(answer.headers.get('preference-applied'), null, prefer);
  }
});

test('closing the server answers whoever waits instead of cutting the connection', async (t) => {
  const api = await openTestApi(t);
  const [answer] = await waiting(api, OBJECT);
  const closed = api.app.close();
  assert.equal((await answer)?.status, 202);
  await closed;
});

test('a waiting request whose caller goes away leaves no timer behind', async (t) => {
  const clock = new ManualClock();
  const queue = openMemoryQueue({
    clock,
    leaseMs: 1000,
    settleGraceMs: 0,
    smallMaxBytes: 1_000,
    newId: () => 'transfer-1',
  });
  const api = await openTestApi(t, { clock, queue });
  const caller = new AbortController();
  const asked = fetch(`${api.url}/v1/replicate`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    body: JSON.stringify(OBJECT),
    signal: caller.signal,
  });
  await clock.untilSomebodySleeps();
  caller.abort();
  await assert.rejects(asked);
  await clock.untilNobodySleeps();
  assert.equal(clock.sleeperCount, 0);
});

test('another version than the one asked for shows as superseded in this answer only', async (t) => {
  const api = await openTestApi(t);
  const cases: readonly (readonly [
    asked: string | null,
    versionId: string | null,
    outcome: Transfer['outcome'],
  ])[] = [
    ['v1', 'v2', 'superseded'],
    ['v2', 'v2', 'replicated'],
    ['null', null, 'replicated'],
    ['v1', null, 'superseded'],
    [null, 'v2', 'replicated'],
  ];
  for (const [asked, versionId, outcome] of cases) {
    const [answer] = await waiting(api, { ...OBJECT, versionId: asked });
    const { lease } = await api.claimOne();
    await api.queue.finish(lease, { outcome: 'replicated', receipt: receiptOf({ versionId }), owed: false });
    const done = await answer;
    assert.equal(done && transfersOf(done)[0]?.['outcome'], outcome, `${asked} asked, ${versionId} found`);
    const later = await api.call('GET', `/v1/transfers/${lease.transferId}`);
    assert.equal(later.json?.['outcome'], 'replicated');
  }
});
