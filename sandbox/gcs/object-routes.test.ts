// Conditions, metadata changes, deletes, downloads: raw HTTP against one object.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { insertMedia, rawRequest } from './raw-request.ts';
import { type SandboxGcs, type SandboxGcsOptions, startSandboxGcs } from './sandbox-gcs.ts';
import type { BucketOptions } from './store-state.ts';

async function start(
  t: TestContext,
  options: SandboxGcsOptions = {},
  bucket: BucketOptions = {},
): Promise<SandboxGcs> {
  const gcs = await startSandboxGcs(options);
  t.after(() => gcs.close());
  gcs.createBucket('b', bucket);
  return gcs;
}

function objectUrl(gcs: SandboxGcs, name: string, query = ''): string {
  return `${gcs.url}/storage/v1/b/b/o/${encodeURIComponent(name)}${query}`;
}

const METHODS = [
  { method: 'GET', falseNotMatch: 304 },
  { method: 'PATCH', falseNotMatch: 412 },
  { method: 'PUT', falseNotMatch: 412 },
  { method: 'DELETE', falseNotMatch: 412 },
] as const;

for (const { method, falseNotMatch } of METHODS)
  test(`${method} judges every condition on generation and metageneration`, async (t) => {
    const gcs = await start(t);
    const { generation } = await insertMedia(gcs.url, 'o', 'bytes');
    const g = String(generation);
    const body = method === 'PATCH' || method === 'PUT' ? '{"metadata":{"k":"v"}}' : '';
    const refusals = [
      ['?ifGenerationMatch=0', 412],
      [`?ifGenerationMatch=${g}1`, 412],
      ['?ifMetagenerationMatch=2', 412],
      [`?ifGenerationMatch=${g}&ifMetagenerationMatch=2`, 412],
      [`?ifGenerationMatch=${g}1&ifMetagenerationMatch=1`, 412],
      [`?ifGenerationNotMatch=${g}`, falseNotMatch],
      ['?ifMetagenerationNotMatch=1', falseNotMatch],
      ['?ifGenerationMatch=abc', 400],
    ] as const;
    for (const [query, status] of refusals) {
      const answer = await rawRequest(method, objectUrl(gcs, 'o', query), { body });
      assert.equal(answer.status, status, `${query}: ${answer.text}`);
      if (status === 412) assert.equal(answer.reason(), 'conditionNotMet');
    }
    assert.equal(gcs.getObject('b', 'o')?.metageneration, '1', 'nothing was changed by a refusal');
    const query = `?ifGenerationMatch=${g}&ifMetagenerationMatch=1&ifGenerationNotMatch=0&ifMetagenerationNotMatch=7`;
    const done = await rawRequest(method, objectUrl(gcs, 'o', query), { body });
    assert.equal(done.status, method === 'DELETE' ? 204 : 200, done.text);
    const after = gcs.getObject('b', 'o');
    if (method === 'DELETE') assert.equal(after, null);
    else assert.equal(after?.metageneration, method === 'GET' ? '1' : '2');
    assert.equal(
      (await rawRequest(method, objectUrl(gcs, 'absent', '?ifGenerationMatch=1'), { body })).status,
      404,
    );
  });

test('a patch keeps the generation, counts the metageneration, and null removes', async (t) => {
  const gcs = await start(t);
  const { generation } = await insertMedia(gcs.url, 'o', 'bytes');
  const patch = async (body: object): Promise<void> => {
    const answer = await rawRequest('PATCH', objectUrl(gcs, 'o'), { body: JSON.stringify(body) });
    assert.equal(answer.status, 200, answer.text);
  };
  await patch({ contentType: 'text/a', cacheControl: 'no-store', metadata: { a: '1', b: '2' } });
  await patch({ cacheControl: null, metadata: { a: null, c: '3' } });
  const merged = gcs.getObject('b', 'o');
  assert.deepEqual(merged?.metadata, { b: '2', c: '3' });
  assert.equal(merged.resource['contentType'], 'text/a');
  assert.equal('cacheControl' in merged.resource, false);
  await patch({ metadata: null });
  const emptied = gcs.getObject('b', 'o');
  assert.deepEqual(emptied?.metadata, {});
  assert.equal(emptied.generation, generation);
  assert.equal(emptied.metageneration, '4');
  await patch({ contexts: { custom: { a: { value: '1' }, b: { value: '2' } } } });
  await patch({ contexts: { custom: { a: null } } });
  assert.deepEqual(gcs.getObject('b', 'o')?.resource['contexts'], { custom: { b: { value: '2' } } });
  await insertMedia(gcs.url, 'o', 'again');
  const rewritten = gcs.getObject('b', 'o');
  assert.equal(rewritten?.metageneration, '1', 'a new generation begins at 1 again');
  assert.ok(BigInt(rewritten.generation) > BigInt(String(generation)));
});

test('PUT replaces the whole metadata', async (t) => {
  const gcs = await start(t);
  await insertMedia(gcs.url, 'o', 'bytes');
  const put = async (body: object): Promise<void> => {
    assert.equal((await rawRequest('PUT', objectUrl(gcs, 'o'), { body: JSON.stringify(body) })).status, 200);
  };
  await put({ contentLanguage: 'de', metadata: { a: '1' } });
  await put({ metadata: { b: '2' } });
  const object = gcs.getObject('b', 'o');
  assert.deepEqual(object?.metadata, { b: '2' });
  assert.equal('contentLanguage' in object.resource, false);
});

test('custom metadata beyond 8 KiB is refused', async (t) => {
  const gcs = await start(t);
  await insertMedia(gcs.url, 'o', 'bytes');
  const patch = async (metadata: object): Promise<number> =>
    (await rawRequest('PATCH', objectUrl(gcs, 'o'), { body: JSON.stringify({ metadata }) })).status;
  assert.equal(await patch({ a: 'x'.repeat(4095), b: 'é'.repeat(2046), c: '1' }), 200);
  assert.equal(await patch({ d: '' }), 200, 'exactly 8,192 bytes of names and values');
  assert.equal(await patch({ e: '' }), 400);
  assert.equal(await patch({ a: 'x'.repeat(4097) }), 400);
  assert.equal(gcs.getObject('b', 'o')?.metageneration, '3');
});

test('names that the service cannot store are refused, odd ones are kept as they are', async (t) => {
  const gcs = await start(t);
  const insert = async (name: string): Promise<number> =>
    (
      await rawRequest(
        'POST',
        `${gcs.url}/upload/storage/v1/b/b/o?uploadType=media&name=${encodeURIComponent(name)}`,
        { body: name },
      )
    ).status;
  for (const name of ['', 'a\nb', 'a\rb', '.', '..', '.well-known/acme-challenge/x', 'é'.repeat(512) + 'x'])
    assert.equal(await insert(name), 400, JSON.stringify(name.slice(0, 30)));
  const odd = [
    '/',
    '//',
    'a/../b',
    'a%2Fb',
    'a b+c',
    '%',
    '#?&=',
    'é',
    'e\u0301',
    '\u0001',
    'é'.repeat(512),
    'o/',
    '🚀',
  ];
  for (const name of odd) assert.equal(await insert(name), 200, JSON.stringify(name));
  for (const name of odd) {
    const media = await rawRequest('GET', objectUrl(gcs, name, '?alt=media'));
    assert.equal(media.text, name);
  }
  assert.deepEqual(
    gcs.objects('b').map(({ name }) => name),
    odd.toSorted((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right))),
  );
});

test('a versioned bucket keeps what was overwritten or deleted, until its generation is named', async (t) => {
  const gcs = await start(t, {}, { versioned: true });
  const first = String((await insertMedia(gcs.url, 'o', 'first'))['generation']);
  const second = String((await insertMedia(gcs.url, 'o', 'second'))['generation']);
  assert.equal(
    (await rawRequest('GET', objectUrl(gcs, 'o', `?alt=media&generation=${first}`))).text,
    'first',
  );
  assert.equal((await rawRequest('DELETE', objectUrl(gcs, 'o', `?ifGenerationMatch=${second}`))).status, 204);
  assert.equal(gcs.getObject('b', 'o'), null);
  assert.equal((await rawRequest('GET', objectUrl(gcs, 'o'))).status, 404);
  assert.equal(
    (await rawRequest('GET', objectUrl(gcs, 'o', `?alt=media&generation=${second}`))).text,
    'second',
  );
  assert.equal((await rawRequest('DELETE', objectUrl(gcs, 'o', `?generation=${second}`))).status, 204);
  assert.equal((await rawRequest('GET', objectUrl(gcs, 'o', `?generation=${second}`))).status, 404);
  assert.equal((await rawRequest('GET', objectUrl(gcs, 'o', `?generation=${first}`))).status, 200);
});

test('without versions an overwritten generation is gone', async (t) => {
  const gcs = await start(t);
  const first = String((await insertMedia(gcs.url, 'o', 'first'))['generation']);
  await insertMedia(gcs.url, 'o', 'second');
  assert.equal((await rawRequest('GET', objectUrl(gcs, 'o', `?generation=${first}`))).status, 404);
  assert.equal((await rawRequest('DELETE', objectUrl(gcs, 'o', `?generation=${first}`))).status, 404);
  assert.equal(gcs.getObject('b', 'o')?.read().toString(), 'second');
});

test('ranges of bytes', async (t) => {
  const gcs = await start(t);
  const bytes = randomBytes(600_000);
  await insertMedia(gcs.url, 'o', bytes);
  const get = async (range: string) =>
    rawRequest('GET', objectUrl(gcs, 'o', '?alt=media'), { headers: { range } });
  const cases = [
    ['bytes=0-0', 0, 1],
    ['bytes=262143-262145', 262_143, 262_146],
    ['bytes=599999-', 599_999, 600_000],
    ['bytes=100-9999999', 100, 600_000],
    ['bytes=-5', 599_995, 600_000],
  ] as const;
  for (const [range, from, to] of cases) {
    const answer = await get(range);
    assert.equal(answer.status, 206, range);
    assert.equal(answer.headers['content-range'], `bytes ${from}-${to - 1}/600000`);
    assert.ok(answer.bytes.equals(bytes.subarray(from, to)), range);
  }
  assert.equal((await get('bytes=600000-')).status, 416);
  const whole = await get('lines=1-2');
  assert.equal(whole.status, 200);
  assert.equal(whole.headers['x-goog-generation'], gcs.getObject('b', 'o')?.generation);
  assert.equal(
    whole.headers['x-goog-hash'],
    `crc32c=${gcs.getObject('b', 'o')?.crc32c},md5=${gcs.getObject('b', 'o')?.md5}`,
  );
  assert.ok(whole.bytes.equals(bytes));
});

test('a gzipped object is unpacked for callers that do not accept gzip', async (t) => {
  const gcs = await start(t);
  const packed = gzipSync('text '.repeat(1000));
  await insertMedia(gcs.url, 'o', packed);
  await rawRequest('PATCH', objectUrl(gcs, 'o'), { body: '{"contentEncoding":"gzip"}' });
  const unpacked = await rawRequest('GET', `${gcs.url}/download/storage/v1/b/b/o/o?alt=media`);
  assert.equal(unpacked.text, 'text '.repeat(1000));
  assert.equal(unpacked.headers['content-encoding'], undefined);
  assert.equal(unpacked.headers['content-length'], undefined);
  const raw = await rawRequest('GET', objectUrl(gcs, 'o', '?alt=media'), {
    headers: { 'accept-encoding': 'gzip' },
  });
  assert.ok(raw.bytes.equals(packed));
  assert.equal(raw.headers['content-encoding'], 'gzip');
});

test('holds and retention stop overwriting and deleting', async (t) => {
  let nowMs = 1_700_000_000_000;
  const gcs = await start(t, { nowMs: () => nowMs }, { retentionSec: 60 });
  await insertMedia(gcs.url, 'o', 'bytes');
  const media = `${gcs.url}/upload/storage/v1/b/b/o?uploadType=media&name=o`;
  const overwrite = await rawRequest('POST', media, { body: 'new' });
  assert.equal(overwrite.status, 403);
  assert.equal(overwrite.reason(), 'retentionPolicyNotMet');
  assert.equal((await rawRequest('DELETE', objectUrl(gcs, 'o'))).status, 403);
  nowMs += 60_000;
  await rawRequest('PATCH', objectUrl(gcs, 'o'), { body: '{"temporaryHold":true}' });
  assert.equal((await rawRequest('DELETE', objectUrl(gcs, 'o'))).reason(), 'objectUnderActiveHold');
  await rawRequest('PATCH', objectUrl(gcs, 'o'), { body: '{"temporaryHold":false}' });
  assert.equal((await rawRequest('DELETE', objectUrl(gcs, 'o'))).status, 204);
});

test('generations grow although the clock stands still', async (t) => {
  const gcs = await start(t, { nowMs: () => 1_700_000_000_000 });
  const seen: bigint[] = [];
  for (let count = 0; count < 5; count += 1)
    seen.push(BigInt(String((await insertMedia(gcs.url, 'o', 'x'))['generation'])));
  assert.equal(seen[0], 1_700_000_000_000_000n);
  for (const [index, generation] of seen.entries())
    assert.ok(index === 0 || generation > (seen[index - 1] ?? 0n));
});

test('one change of an object per second where the limit is switched on', async (t) => {
  let nowMs = 1_700_000_000_000;
  const gcs = await start(t, { nowMs: () => nowMs, rateLimitPerObject: true });
  await insertMedia(gcs.url, 'o', '1');
  const patch = async () => rawRequest('PATCH', objectUrl(gcs, 'o'), { body: '{"metadata":{"a":"b"}}' });
  const limited = await patch();
  assert.equal(limited.status, 429);
  assert.equal(limited.reason(), 'rateLimitExceeded');
  await insertMedia(gcs.url, 'other', '1');
  nowMs += 1000;
  assert.equal((await patch()).status, 200);
  assert.equal((await rawRequest('DELETE', objectUrl(gcs, 'o'))).status, 429);
});
