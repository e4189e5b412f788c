// Inserts in one request: media and multipart, their checksums and conditions.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { crc32c } from '@node-rs/crc32';
import { type RawAnswer, insertMedia, rawRequest } from './raw-request.ts';
import { type SandboxGcs, startSandboxGcs } from './sandbox-gcs.ts';

async function start(t: TestContext): Promise<SandboxGcs> {
  const gcs = await startSandboxGcs();
  t.after(() => gcs.close());
  gcs.createBucket('b');
  return gcs;
}

function hashOf(bytes: Uint8Array): string {
  const text = Buffer.alloc(4);
  text.writeUInt32BE(crc32c(bytes));
  return text.toString('base64');
}

function related(boundary: string, metadata: object, bytes: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from(
      `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n${JSON.stringify(metadata)}\r\n` +
        `--${boundary}\r\nContent-Type: text/part\r\n\r\n`,
    ),
    bytes,
    Buffer.from(`\r\n--${boundary}--\r\n`),
  ]);
}

async function insert(
  gcs: SandboxGcs,
  body: Uint8Array,
  { query = '', headers = {}, boundary = 'edge' } = {},
): Promise<RawAnswer> {
  return rawRequest('POST', `${gcs.url}/upload/storage/v1/b/b/o?uploadType=multipart${query}`, {
    headers: { 'content-type': `multipart/related; boundary=${boundary}`, ...headers },
    body,
  });
}

test('a multipart insert stores metadata and bytes together', async (t) => {
  const gcs = await start(t);
  const bytes = randomBytes(700_000);
  const metadata = {
    name: 'dir/o',
    contentLanguage: 'en',
    storageClass: 'NEARLINE',
    metadata: { 'replicator-source': 'b/k', größe: 'ü' },
    crc32c: hashOf(bytes),
    md5Hash: createHash('md5').update(bytes).digest('base64'),
  };
  const answer = await insert(gcs, related('edge', metadata, bytes), { query: '&kmsKeyName=key' });
  assert.equal(answer.status, 200, answer.text);
  const object = gcs.getObject('b', 'dir/o');
  assert.ok(object);
  assert.ok(object.read().equals(bytes));
  assert.deepEqual(object.resource, { ...answer.json() });
  const { contentType, storageClass, size, kmsKeyName, contentLanguage } = object.resource;
  assert.deepEqual(
    { contentType, storageClass, size, kmsKeyName, contentLanguage },
    {
      contentType: 'text/part',
      storageClass: 'NEARLINE',
      size: '700000',
      kmsKeyName: 'key',
      contentLanguage: 'en',
    },
  );
  assert.deepEqual(object.metadata, metadata.metadata);
});

test('bytes that look like boundaries survive, and so does an empty object', async (t) => {
  const gcs = await start(t);
  const bytes = Buffer.from('\r\n--edg\r\n--\r\n--edg--\r\n\r\n--\r\n--ed\0--edge--\n--edge\r--edge\r\n');
  const answer = await insert(gcs, related('edge', { name: 'o' }, bytes), { boundary: '"edge"' });
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(gcs.getObject('b', 'o')?.read(), bytes);
  assert.equal((await insert(gcs, related('edge', { name: 'empty' }, Buffer.alloc(0)))).status, 200);
  assert.equal(gcs.getObject('b', 'empty')?.sizeBytes, 0);
});

test('a multipart body that is not whole or not two parts stores nothing', async (t) => {
  const gcs = await start(t);
  const body = related('edge', { name: 'o' }, Buffer.from('bytes'));
  const bad = [
    body.subarray(0, -8),
    Buffer.from('--edge\r\n\r\n{"name":"o"}\r\n--edge--'),
    Buffer.from('no boundary at all'),
    related('edge', { name: 'o' }, Buffer.from('1\r\n--edge\r\n\r\n2')),
    Buffer.from('--edge\r\n\r\n{broken\r\n--edge\r\n\r\nx\r\n--edge--'),
  ];
  for (const [index, broken] of bad.entries())
    assert.equal((await insert(gcs, broken)).status, 400, `case ${index}`);
  assert.equal((await insert(gcs, body, { headers: { 'content-type': 'multipart/related' } })).status, 400);
  assert.equal(gcs.objects('b').length, 0);
});

test('wrong checksums in header or metadata refuse a single insert before it is visible', async (t) => {
  const gcs = await start(t);
  const bytes = Buffer.from('bytes');
  const wrong = hashOf(Buffer.from('other'));
  const wrongMd5 = createHash('md5').update('other').digest('base64');
  const attempts = [
    await insert(gcs, related('edge', { name: 'o', crc32c: wrong }, bytes)),
    await insert(gcs, related('edge', { name: 'o', md5Hash: wrongMd5 }, bytes)),
    await insert(gcs, related('edge', { name: 'o' }, bytes), {
      headers: { 'x-goog-hash': `crc32c=${wrong}` },
    }),
    await insert(gcs, related('edge', { name: 'o' }, bytes), {
      headers: { 'x-goog-hash': `crc32c=${hashOf(bytes)}, md5=${wrongMd5}` },
    }),
    await rawRequest('POST', `${gcs.url}/upload/storage/v1/b/b/o?uploadType=media&name=o`, {
      headers: { 'x-goog-hash': `crc32c=${wrong}` },
      body: bytes,
    }),
    await insert(gcs, related('edge', { name: 'o', crc32c: 'short' }, bytes)),
  ];
  for (const attempt of attempts) assert.equal(attempt.status, 400);
  assert.ok(
    attempts[0]?.text.includes(
      JSON.stringify(`Provided CRC32C "${wrong}" doesn't match calculated CRC32C "${hashOf(bytes)}".`),
    ),
  );
  assert.equal(gcs.getObject('b', 'o'), null);
});

test('conditions of single inserts, and 20 writers of an absent object of which one wins', async (t) => {
  const gcs = await start(t);
  const { generation } = await insertMedia(gcs.url, 'o', 'first');
  const g = String(generation);
  const refused = [
    '&ifGenerationMatch=0',
    `&ifGenerationMatch=${g}0`,
    `&ifGenerationNotMatch=${g}`,
    `&ifGenerationMatch=${g}&ifMetagenerationMatch=2`,
    '&ifMetagenerationNotMatch=1',
  ];
  const body = related('edge', { name: 'o' }, Buffer.from('x'));
  for (const query of refused) assert.equal((await insert(gcs, body, { query })).status, 412, query);
  assert.equal(gcs.getObject('b', 'o')?.read().toString(), 'first');
  const query = `&ifGenerationMatch=${g}&ifMetagenerationMatch=1`;
  assert.equal((await insert(gcs, body, { query })).status, 200);
  const contested = related('edge', { name: 'p' }, randomBytes(300_000));
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => insert(gcs, contested, { query: '&ifGenerationMatch=0' })),
  );
  assert.deepEqual(
    answers.map(({ status }) => status).toSorted((a, b) => a - b),
    [200, ...Array.from({ length: 19 }, () => 412)],
  );
});

test('an insert that was cut leaves nothing', async (t) => {
  const gcs = await start(t);
  gcs.faults.add({
    match: { query: 'uploadType=multipart' },
    effect: { kind: 'cut_request', afterBytes: 400_000 },
  });
  await assert.rejects(insert(gcs, related('edge', { name: 'o' }, randomBytes(500_000))));
  assert.equal(gcs.objects('b').length, 0);
});

test('a key or an access list in the resource is refused, an encoded body is not implemented', async (t) => {
  const gcs = await start(t);
  const bytes = Buffer.from('x');
  assert.equal((await insert(gcs, related('edge', { name: 'o', kmsKeyName: 'k' }, bytes))).status, 400);
  assert.equal((await insert(gcs, related('edge', { name: 'o', acl: [] }, bytes))).status, 501);
  const encoded = { headers: { 'content-encoding': 'gzip' } };
  assert.equal((await insert(gcs, related('edge', { name: 'o' }, bytes), encoded)).status, 501);
  assert.equal(gcs.objects('b').length, 0);
});
