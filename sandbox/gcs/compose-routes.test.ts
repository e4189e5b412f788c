// Compose, rewrite and copy: conditions, checksums without moving bytes, what happens to metadata.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { crc32c } from '@node-rs/crc32';
import { type RawAnswer, insertMedia, rawRequest } from './raw-request.ts';
import { type SandboxGcs, type SandboxGcsOptions, startSandboxGcs } from './sandbox-gcs.ts';

async function start(t: TestContext, options: SandboxGcsOptions = {}): Promise<SandboxGcs> {
  const gcs = await startSandboxGcs(options);
  t.after(() => gcs.close());
  gcs.createBucket('b');
  return gcs;
}

async function compose(
  gcs: SandboxGcs,
  name: string,
  sourceObjects: readonly object[],
  { query = '', destination = {} } = {},
): Promise<RawAnswer> {
  return rawRequest('POST', `${gcs.url}/storage/v1/b/b/o/${encodeURIComponent(name)}/compose${query}`, {
    body: JSON.stringify({ sourceObjects, destination }),
  });
}

test('a composed object has the bytes and the CRC32C of its parts, a component count and no MD5', async (t) => {
  for (const keepBytes of [true, false]) {
    const gcs = await start(t, { keepBytes });
    const parts = [randomBytes(300_001), randomBytes(0), randomBytes(77), randomBytes(262_144)];
    for (const [index, part] of parts.entries()) await insertMedia(gcs.url, `p${index}`, part);
    const inner = await compose(gcs, 'inner', [{ name: 'p0' }, { name: 'p1' }]);
    assert.equal(inner.json()['componentCount'], 2);
    const destination = { contentType: 'text/x', metadata: { a: 'b' } };
    const whole = await compose(gcs, 'whole', [{ name: 'inner' }, { name: 'p2' }, { name: 'p3' }], {
      destination,
      query: '?ifGenerationMatch=0&kmsKeyName=k',
    });
    assert.equal(whole.status, 200, whole.text);
    const object = gcs.getObject('b', 'whole');
    assert.ok(object);
    const expected = Buffer.concat(parts);
    assert.equal(Buffer.from(object.crc32c, 'base64').readUInt32BE(), crc32c(expected));
    assert.equal(object.sizeBytes, expected.length);
    assert.equal(object.md5, null);
    assert.equal('md5Hash' in object.resource, false);
    assert.equal(object.resource['componentCount'], 4);
    assert.equal(object.resource['contentType'], 'text/x');
    assert.deepEqual(object.metadata, { a: 'b' });
    if (keepBytes) assert.ok(object.read().equals(expected));
  }
});

test('compose judges conditions of the sources and of the destination', async (t) => {
  const gcs = await start(t);
  const generation = String((await insertMedia(gcs.url, 'p', 'part'))['generation']);
  const wrong = String(BigInt(generation) + 1n);
  const statuses = async (sources: readonly object[], query = ''): Promise<number> =>
    (await compose(gcs, 'o', sources, { query })).status;
  assert.equal(await statuses([{ name: 'absent' }]), 404);
  assert.equal(await statuses([{ name: 'p', generation: wrong }]), 404);
  assert.equal(await statuses([{ name: 'p', objectPreconditions: { ifGenerationMatch: wrong } }]), 412);
  assert.equal(await statuses([{ name: 'p' }], `?ifGenerationMatch=${generation}`), 412);
  assert.equal(await statuses([]), 400);
  assert.equal(await statuses(Array.from({ length: 33 }, () => ({ name: 'p' }))), 400);
  assert.equal(gcs.getObject('b', 'o'), null);
  const exact = { name: 'p', generation, objectPreconditions: { ifGenerationMatch: generation } };
  assert.equal(
    await statuses(
      Array.from({ length: 32 }, () => exact),
      '?ifGenerationMatch=0',
    ),
    200,
  );
  assert.equal(await statuses([exact], '?ifGenerationMatch=0'), 412);
  assert.equal(await statuses([exact], '?ifMetagenerationMatch=2'), 412);
  assert.equal(gcs.getObject('b', 'o')?.read().toString(), 'part'.repeat(32));
  const deleting = await rawRequest('POST', `${gcs.url}/storage/v1/b/b/o/o/compose`, {
    body: JSON.stringify({ sourceObjects: [exact], deleteSourceObjects: true }),
  });
  assert.equal(deleting.status, 501);
});

test('a rewrite is done in one call, copies metadata unless new is given, and judges both sides', async (t) => {
  const gcs = await start(t);
  gcs.createBucket('other');
  const generation = String((await insertMedia(gcs.url, 'o', 'bytes'))['generation']);
  await rawRequest('PATCH', `${gcs.url}/storage/v1/b/b/o/o`, { body: '{"metadata":{"a":"b"}}' });
  const rewrite = async (query: string, body = '', verb = 'rewriteTo'): Promise<RawAnswer> =>
    rawRequest('POST', `${gcs.url}/storage/v1/b/b/o/o/${verb}/b/other/o/x%2Fy${query}`, { body });
  assert.equal((await rewrite('?ifSourceGenerationMatch=1')).status, 412);
  assert.equal((await rewrite('?ifSourceMetagenerationMatch=1')).status, 412);
  assert.equal((await rewrite('?sourceGeneration=1')).status, 404);
  assert.equal((await rewrite('?ifGenerationMatch=1')).status, 412);
  assert.equal((await rewrite('?rewriteToken=abc')).status, 400);
  const query = `?ifGenerationMatch=0&ifSourceGenerationMatch=${generation}&ifSourceMetagenerationMatch=2`;
  const done = await rewrite(query);
  assert.equal(done.status, 200, done.text);
  assert.equal(done.json()['done'], true);
  assert.equal(done.json()['objectSize'], '5');
  assert.deepEqual(gcs.getObject('other', 'x/y')?.metadata, { a: 'b' });
  assert.equal((await rewrite(query)).status, 412);
  const given = await rewrite(
    '?destinationKmsKeyName=k',
    '{"storageClass":"COLDLINE","metadata":{"c":"d"}}',
    'copyTo',
  );
  assert.equal(given.json()['storageClass'], 'COLDLINE');
  const copy = gcs.getObject('other', 'x/y');
  assert.deepEqual(copy?.metadata, { c: 'd' });
  assert.equal(copy.resource['kmsKeyName'], 'k');
  assert.equal(copy.read().toString(), 'bytes');
});
