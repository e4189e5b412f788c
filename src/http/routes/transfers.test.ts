import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CallAnswer, openTestApi, receiptOf, type TestApi } from '../testing/open-test-api.ts';

const PARKED_FAULT = {
  code: 'object_archived',
  message: 'photos/b is in GLACIER',
  details: { storageClass: 'GLACIER' },
  atMs: Date.UTC(2026, 10, 23, 9, 30),
} as const;

async function put(api: TestApi, key: string, bucket = 'photos'): Promise<void> {
  const answer = await api.call('POST', '/v1/replicate', { json: { bucket, key } });
  assert.equal(answer.status, 202);
}

/** One done, one parked, two queued, of two rules. */
async function fill(api: TestApi): Promise<void> {
  await put(api, 'a');
  const first = await api.claimOne();
  await api.queue.finish(first.lease, { outcome: 'already_current', receipt: receiptOf(), owed: false });
  await put(api, 'b');
  const second = await api.claimOne();
  await api.queue.park(second.lease, { fault: PARKED_FAULT, owed: false, delayMsIfDirty: 0 });
  await put(api, 'dir/c');
  await put(api, 'public/d', 'docs');
}

function keysOf(answer: CallAnswer): string[] {
  const transfers = answer.json?.['transfers'] as { source: { key: string } }[];
  return transfers.map(({ source }) => source.key);
}

test('transfers are listed newest first and can be filtered by every filter', async (t) => {
  const api = await openTestApi(t);
  await fill(api);
  const cases: readonly (readonly [query: string, keys: string[]])[] = [
    ['', ['public/d', 'dir/c', 'b', 'a']],
    ['status=queued', ['public/d', 'dir/c']],
    ['status=done', ['a']],
    ['rule=docs', ['public/d']],
    ['fault=object_archived', ['b']],
    ['fault=access_denied', []],
    ['bucket=docs', ['public/d']],
    ['prefix=dir%2F', ['dir/c']],
    ['prefix=%25', []],
    ['bucket=photos&key=a', ['a']],
    ['bucket=photos&status=parked', ['b']],
  ];
  for (const [query, keys] of cases) {
    const answer = await api.call('GET', `/v1/transfers?${query}`);
    assert.equal(answer.status, 200, query);
    assert.deepEqual(keysOf(answer), keys, query);
  }
});

test('pages follow each other by their cursor without gap or repetition', async (t) => {
  const api = await openTestApi(t);
  const keys = Array.from({ length: 7 }, (_, index) => `key-${index}`);
  for (const key of keys) await put(api, key);
  const seen: string[] = [];
  let cursor: string | null = null;
  let pageCount = 0;
  do {
    const query = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page: CallAnswer = await api.call('GET', `/v1/transfers?limit=3${query}`);
    seen.push(...keysOf(page));
    cursor = page.json?.['nextCursor'] as string | null;
    pageCount++;
  } while (cursor !== null);
  assert.equal(pageCount, 3);
  assert.deepEqual(seen, keys.toReversed());
});

test('a wrong filter is 400 and names its parameter', async (t) => {
  const api = await openTestApi(t);
  const cases: readonly (readonly [query: string, detail: RegExp])[] = [
    ['status=copied', /^status: must be one of queued, copying/],
    ['status=', /^status: /],
    ['status=done&status=parked', /^status: /],
    ['fault=nonsense', /^fault: must be a code of the fault table$/],
    ['limit=201', /^limit: must be a whole number from 1 to 200$/],
    ['limit=0', /^limit: /],
    ['limit=ten', /^limit: /],
    ['limit=1.5', /^limit: /],
    ['cursor=', /^cursor: must not be empty$/],
    ['key=a', /^key: needs the parameter bucket$/],
    ['colour=red', /^unknown parameter: colour$/],
    ['limit=0&status=x', /^status: .*; limit: /],
  ];
  for (const [query, detail] of cases) {
    const answer = await api.call('GET', `/v1/transfers?${query}`);
    assert.equal(answer.status, 400, query);
    assert.equal(answer.json?.['code'], 'invalid_request', query);
    assert.match(String(answer.json['detail']), detail, query);
  }
});

test('a failing queue is not blamed on the cursor', async (t) => {
  const api = await openTestApi(t);
  await api.queue.close();
  assert.equal((await api.call('GET', '/v1/transfers?cursor=p1')).status, 500);
});

test('a finished transfer shows its outcome in words and its receipt', async (t) => {
  const api = await openTestApi(t);
  await fill(api);
  const { json } = await api.call('GET', '/v1/transfers/transfer-1');
  assert.equal(json?.['status'], 'done');
  assert.equal(json['outcome'], 'already_current');
  assert.equal(json['summary'], 'skipped: already exists');
  assert.deepEqual(json['receipt'], {
    etag: '9b2cf535f27731c974343645a3985328',
    sizeBytes: 12,
    sourceChecksum: 'crc64nvme:AAAAAAAAAAA=',
    crc32c: 'yZRlqg==',
    generation: '1763888400000001',
    verified: 'source',
    finishedAt: '2026-11-23T09:31:00.000Z',
    lagMs: 1200,
    droppedMetadata: [],
  });
});

test('a parked transfer shows what happened and what a person can do', async (t) => {
  const api = await openTestApi(t);
  await fill(api);
  const { json } = await api.call('GET', '/v1/transfers/transfer-2');
  assert.equal(json?.['summary'], 'needs a person: The source object is archived and cannot be read');
  assert.deepEqual(json['fault'], {
    code: 'object_archived',
    title: 'The source object is archived and cannot be read',
    remedy: 'Restore it from the archive; when the restore is complete, redrive.',
    message: 'photos/b is in GLACIER',
    details: { storageClass: 'GLACIER' },
    at: '2026-11-23T09:30:00.000Z',
  });
});

test('a retry makes a parked transfer due, is answered with what to follow, and stands in the audit', async (t) => {
  const api = await openTestApi(t);
  await fill(api);
  const answer = await api.call('POST', '/v1/transfers/transfer-2/retry');
  assert.equal(answer.status, 202);
  assert.equal(answer.json?.['status'], 'queued');
  assert.equal(answer.headers.get('location'), `/v1/transfers/${String(answer.json['id'])}`);
  const line = api.log.find(({ facts }) => facts['audit'] === true);
  assert.deepEqual(line?.facts, {
    audit: true,
    action: 'transfer.retry',
    transferId: 'transfer-2',
    followTransferId: answer.json['id'],
    keyId: 'loopback',
    requestId: answer.headers.get('x-request-id'),
  });
});

test('a retry of a finished transfer is followed under a new id', async (t) => {
  const api = await openTestApi(t);
  await fill(api);
  const answer = await api.call('POST', '/v1/transfers/transfer-1/retry', { json: {} });
  assert.equal(answer.status, 202);
  assert.notEqual(answer.json?.['id'], 'transfer-1');
  assert.equal(answer.json?.['status'], 'queued');
});

test('a key that is markup comes back as JSON text, never as a page', async (t) => {
  const api = await openTestApi(t);
  const key = '<script>alert(1)</script>"\u2028\u001b[31m';
  await put(api, key);
  for (const path of ['/v1/transfers', '/v1/transfers/transfer-1']) {
    const answer = await api.call('GET', path);
    assert.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8');
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    assert.match(answer.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    assert.ok(answer.text.includes(JSON.stringify(key).slice(1, 10)));
  }
  assert.deepEqual(keysOf(await api.call('GET', '/v1/transfers')), [key]);
});
