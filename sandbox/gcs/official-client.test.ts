// Google's own client against the sandbox: an independent reading of the protocol must agree with ours.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type TestContext, test } from 'node:test';
import { type ApiError, type Bucket, Storage } from '@google-cloud/storage';
import { type SandboxGcs, startSandboxGcs } from './sandbox-gcs.ts';

const BLOCK = 256 * 1024;
const BYTES = randomBytes(5 * BLOCK + 123);

async function start(t: TestContext): Promise<{ gcs: SandboxGcs; bucket: Bucket; storage: Storage }> {
  const gcs = await startSandboxGcs();
  t.after(() => gcs.close());
  gcs.createBucket('bucket', { versioned: false });
  const storage = new Storage({ apiEndpoint: gcs.url, projectId: 'p' });
  return { gcs, bucket: storage.bucket('bucket'), storage };
}

function hasCode(code: number): (error: ApiError) => true {
  return (error) => {
    assert.equal(Number(error.code), code, error.message);
    return true;
  };
}

test('a small save, its metadata and its download', async (t) => {
  const { gcs, bucket } = await start(t);
  const file = bucket.file('dir/name with space+%.txt');
  await file.save('hello', {
    resumable: false,
    validation: 'crc32c',
    metadata: { contentType: 'text/x', cacheControl: 'no-store', metadata: { a: 'b' } },
  });
  const [metadata] = await file.getMetadata();
  const { contentType, size, cacheControl, metadata: custom } = metadata;
  assert.deepEqual(
    { contentType, size: String(size), cacheControl, custom },
    { contentType: 'text/x', size: '5', cacheControl: 'no-store', custom: { a: 'b' } },
  );
  const [content] = await file.download({ validation: 'crc32c' });
  assert.equal(content.toString(), 'hello');
  assert.deepEqual(await bucket.file('absent').exists(), [false]);
  assert.ok(gcs.requests[0]?.includes('uploadType=multipart'));
});

test('resumable saves in one request and in chunks', async (t) => {
  const { gcs, bucket } = await start(t);
  const whole = bucket.file('whole');
  await whole.save(BYTES, { resumable: true, validation: 'crc32c' });
  assert.ok(gcs.getObject('bucket', 'whole')?.read().equals(BYTES));
  const chunked = bucket.file('chunked');
  const before = gcs.requestCount;
  await pipeline(
    Readable.from([BYTES.subarray(0, 100_000), BYTES.subarray(100_000)]),
    chunked.createWriteStream({
      resumable: true,
      chunkSize: 2 * BLOCK,
      validation: 'crc32c',
      metadata: { metadata: { k: 'v' } },
    }),
  );
  assert.ok(gcs.getObject('bucket', 'chunked')?.read().equals(BYTES));
  assert.deepEqual(gcs.getObject('bucket', 'chunked')?.metadata, { k: 'v' });
  assert.equal(gcs.requestCount - before, 1 + 3);
  const [content] = await chunked.download({ start: 100, end: BLOCK + 100 });
  assert.ok(content.equals(BYTES.subarray(100, BLOCK + 101)));
  assert.equal(gcs.openSessions, 0);
});

test('a chunked save survives a broken answer', async (t) => {
  const { gcs, bucket } = await start(t);
  gcs.faults.add({ match: { method: 'PUT' }, skip: 1, effect: { kind: 'replace_answer', status: 503 } });
  const file = bucket.file('o');
  await file.save(BYTES, {
    resumable: true,
    chunkSize: 2 * BLOCK,
    preconditionOpts: { ifGenerationMatch: 0 },
  });
  assert.ok(gcs.getObject('bucket', 'o')?.read().equals(BYTES));
  assert.equal(gcs.faults.pending, 0);
});

test('conditions of saves, metadata changes and deletes', async (t) => {
  const { gcs, bucket } = await start(t);
  const file = bucket.file('o');
  const create = { preconditionOpts: { ifGenerationMatch: 0 } };
  await file.save('one', { resumable: false, ...create });
  await assert.rejects(bucket.file('o').save('two', { resumable: false, ...create }), hasCode(412));
  await assert.rejects(bucket.file('o').save('two', { resumable: true, ...create }), hasCode(412));
  const generation = gcs.getObject('bucket', 'o')?.generation ?? '';
  const [patched] = await bucket
    .file('o')
    .setMetadata(
      { metadata: { a: '1', b: '2' } },
      { ifMetagenerationMatch: 1, ifGenerationMatch: generation },
    );
  assert.equal(String(patched.metageneration), '2');
  await assert.rejects(
    bucket.file('o').setMetadata({ metadata: { a: '9' } }, { ifMetagenerationMatch: 1 }),
    hasCode(412),
  );
  await bucket.file('o').setMetadata({ metadata: { a: null } });
  assert.deepEqual(gcs.getObject('bucket', 'o')?.metadata, { b: '2' });
  await assert.rejects(bucket.file('o').delete({ ifGenerationMatch: 5 }), hasCode(412));
  await bucket.file('o').delete({ ifGenerationMatch: generation });
  assert.equal(gcs.getObject('bucket', 'o'), null);
  await assert.rejects(bucket.file('o').delete(), hasCode(404));
});

test('copies, composes and lists', async (t) => {
  const { gcs, bucket, storage } = await start(t);
  await storage.createBucket('second');
  for (const name of ['p/1', 'p/2', 'q']) await bucket.file(name).save(name, { resumable: false });
  await bucket.file('p/1').copy(storage.bucket('second').file('copy'));
  assert.equal(gcs.getObject('second', 'copy')?.read().toString(), 'p/1');
  const [composed] = await bucket.combine([bucket.file('p/1'), bucket.file('p/2')], bucket.file('sum'));
  const [content] = await composed.download();
  assert.equal(content.toString(), 'p/1p/2');
  const [files] = await bucket.getFiles({ prefix: 'p/' });
  assert.deepEqual(
    files.map(({ name }) => name),
    ['p/1', 'p/2'],
  );
  const [paged] = await bucket.getFiles({ maxResults: 1 });
  assert.equal(paged.length, 1);
  const [all] = await bucket.getFiles();
  assert.equal(all.length, 4);
  const [permissions] = await bucket.iam.testPermissions(['storage.objects.get']);
  assert.deepEqual(permissions, { 'storage.objects.get': true });
  const [buckets] = await storage.getBuckets();
  assert.deepEqual(
    buckets.map(({ name }) => name),
    ['bucket', 'second'],
  );
});

test('the client finds out about a corrupted download', async (t) => {
  const { gcs, bucket } = await start(t);
  await bucket.file('o').save(BYTES, { resumable: false });
  gcs.faults.add({ match: { query: 'alt=media' }, effect: { kind: 'corrupt_response', atByte: 1000 } });
  await assert.rejects(bucket.file('o').download({ validation: 'crc32c' }));
});
