// Source objects that change, vanish or come back while they are copied, over real requests: the target ends with one
// whole state, the newest one, and nothing is copied twice for a mere change of form.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BLOCK_BYTES,
  notification,
  patternBytes,
  Pipeline,
  type PipelineOptions,
  RULE,
  SOURCE_BUCKET,
  TARGET_BUCKET,
} from './pipeline.ts';

const OBJECT = { path: `/${SOURCE_BUCKET}/k` };
const GET = { ...OBJECT, method: 'GET' };
const REST = { ...GET, header: { name: 'range', contains: 'bytes=' } };
const LARGE = patternBytes(3 * BLOCK_BYTES + 5);
const OTHER = patternBytes(3 * BLOCK_BYTES + 5, 9);

async function opened(bytes: Buffer | string, options: PipelineOptions = {}): Promise<Pipeline> {
  const pipeline = await Pipeline.open(options);
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', bytes);
  return pipeline;
}

/** Cuts the first read of `k` and does `run` before the rest is read. */
function cutThen(pipeline: Pipeline, run: () => Promise<unknown> | void): void {
  pipeline.s3.faults.add({ match: GET, effect: { kind: 'cut_response', afterBytes: BLOCK_BYTES + 100 } });
  pipeline.s3.faults.add({ match: REST, effect: { kind: 'meanwhile', run } });
}

/** Requests that sent bytes of objects to the target. */
function writes({ gcs }: Pipeline): number {
  return gcs.requests.filter((line) => /^POST .*uploadType=(multipart|resumable)/.test(line)).length;
}

test('an object that is not there yet ends source_gone, and the next change brings it', async () => {
  await using pipeline = await Pipeline.open();
  const gone = await pipeline.replicate('k');
  assert.deepEqual([gone.status, gone.outcome], ['done', 'source_gone']);
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'late');
  await pipeline.assertReplicates('k');
});

test('an object that is overwritten between the look and the read arrives in its newer state', async () => {
  for (const older of ['one', LARGE]) {
    await using pipeline = await opened(older);
    await pipeline.assertReplicates('k');
    await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'two');
    // The look at the source is a HEAD here, because the target has the object.
    const run = async (): Promise<unknown> => pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'three');
    pipeline.s3.faults.add({ match: GET, effect: { kind: 'meanwhile', run } });
    await pipeline.assertReplicates('k');
    pipeline.assertAllHappened();
    assert.equal(pipeline.targetBytes('k')?.toString(), 'three');
  }
});

test('an object that is overwritten between two ranges of one read is never spliced', async () => {
  await using pipeline = await opened(LARGE);
  cutThen(pipeline, async () => pipeline.s3.putObject(SOURCE_BUCKET, 'k', OTHER));
  await pipeline.assertReplicates('k');
  pipeline.assertAllHappened();
  assert.ok(pipeline.targetBytes('k')?.equals(OTHER));
  assert.equal(pipeline.gcs.openSessions, 0, 'The session of the older state is cancelled');
});

test('the same bytes put again, in a bucket with versions too, write one renewed stamp and no byte', async () => {
  for (const versioning of ['off', 'enabled'] as const) {
    await using pipeline = await Pipeline.open();
    if (versioning === 'enabled') pipeline.s3.setVersioning(SOURCE_BUCKET, 'enabled');
    await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'same', { metadata: { put: '1' } });
    await pipeline.assertReplicates('k');
    await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'same', { metadata: { put: '2' } });
    assert.equal((await pipeline.replicate('k')).outcome, 'metadata_updated');
    pipeline.assertEqual('k');
    assert.equal(pipeline.gcs.getObject(TARGET_BUCKET, 'k')?.metadata['put'], '2');
    assert.equal((await pipeline.replicate('k')).outcome, 'already_current');
    assert.equal(writes(pipeline), 1);
  }
});

test('an object that is deleted in the middle of its read leaves nothing behind', async () => {
  await using pipeline = await opened(LARGE);
  cutThen(pipeline, () => pipeline.s3.deleteObject(SOURCE_BUCKET, 'k'));
  const transfer = await pipeline.replicate('k');
  pipeline.assertAllHappened();
  assert.deepEqual([transfer.status, transfer.outcome], ['done', 'source_gone']);
  assert.equal(pipeline.targetBytes('k'), null);
  assert.equal(pipeline.gcs.openSessions, 0);
});

test('a version that is removed for good in the middle of its read gives way to the current one', async () => {
  await using pipeline = await Pipeline.open();
  pipeline.s3.setVersioning(SOURCE_BUCKET, 'enabled');
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', OTHER);
  const { versionId } = await pipeline.s3.putObject(SOURCE_BUCKET, 'k', LARGE);
  cutThen(pipeline, () => pipeline.s3.deleteObject(SOURCE_BUCKET, 'k', versionId ?? ''));
  await pipeline.assertReplicates('k');
  pipeline.assertAllHappened();
  assert.ok(pipeline.targetBytes('k')?.equals(OTHER));
});

test('a read that meets a delete marker by its version proves nothing: both sides are looked at again', async () => {
  await using pipeline = await opened(LARGE);
  pipeline.s3.faults.add({ match: GET, effect: { kind: 'cut_response', afterBytes: BLOCK_BYTES + 100 } });
  pipeline.s3.faults.add({
    match: REST,
    effect: { kind: 'status', status: 405, headers: { 'x-amz-delete-marker': 'true' } },
  });
  await pipeline.assertReplicates('k');
  pipeline.assertAllHappened();
});

test('an ETag of another form over the same bytes costs one copy, and then rests', async () => {
  await using pipeline = await opened('same');
  await pipeline.assertReplicates('k');
  pipeline.s3.setObjectState(SOURCE_BUCKET, 'k', { etag: '0123456789abcdef0123456789abcdef-2' });
  await pipeline.replicate('k');
  pipeline.assertEqual('k');
  assert.equal(writes(pipeline), 2);
  for (let round = 0; round < 3; round += 1)
    assert.equal((await pipeline.replicate('k')).outcome, 'already_current');
  assert.equal(writes(pipeline), 2);
});

test('a checksum of checksums, or of an unknown algorithm, is compared with nothing', async () => {
  const odd: readonly Record<string, string>[] = [
    { 'x-amz-checksum-crc32c': 'AAAAAA==-3', 'x-amz-checksum-type': 'COMPOSITE' },
    { 'x-amz-checksum-blake9': 'bm9uc2Vuc2U=' },
  ];
  for (const checksum of odd) {
    await using pipeline = await Pipeline.open();
    await pipeline.s3.putSyntheticObject(SOURCE_BUCKET, 'k', { sizeBytes: 5_000, seed: 3, checksums: false });
    pipeline.s3.faults.add({
      match: OBJECT,
      effect: {
        kind: 'edit_answer',
        edit: (answer) => ({ ...answer, headers: { ...answer.headers, ...checksum } }),
      },
      times: Infinity,
    });
    const transfer = await pipeline.assertReplicates('k');
    assert.equal(transfer.receipt?.verified, 'transfer', JSON.stringify(checksum));
    assert.deepEqual(pipeline.retriedFaults(), []);
  }
});

test('an object stored with Content-Encoding gzip arrives with exactly its stored bytes and that header', async () => {
  const gzipped = Buffer.from('H4sIAAAAAAAAA8tIzcnJVyjPL8pJAQCFEUoNCwAAAA==', 'base64');
  await using pipeline = await Pipeline.open();
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', gzipped, { contentEncoding: 'gzip' });
  await pipeline.assertReplicates('k');
  assert.ok(pipeline.targetBytes('k')?.equals(gzipped));
  assert.equal(pipeline.gcs.getObject(TARGET_BUCKET, 'k')?.resource['contentEncoding'], 'gzip');
});

test('an object of zero bytes arrives, verified, and a folder marker is such an object', async () => {
  await using pipeline = await Pipeline.open();
  for (const key of ['empty', 'a/', 'a/b']) await pipeline.s3.putObject(SOURCE_BUCKET, key, '');
  for (const key of ['empty', 'a/', 'a/b']) {
    const transfer = await pipeline.assertReplicates(key);
    assert.equal(transfer.receipt?.crc32c, 'AAAAAA==');
    assert.equal(pipeline.targetBytes(key)?.length, 0);
  }
});

test('an object above 5 TiB parks before a byte of it is read', async () => {
  await using pipeline = await opened('small');
  pipeline.s3.faults.add({
    match: OBJECT,
    effect: {
      kind: 'edit_answer',
      edit: (answer) => ({
        ...answer,
        headers: { ...answer.headers, 'content-length': 5 * 1024 ** 4 + 1 },
      }),
    },
    times: Infinity,
  });
  const transfer = await pipeline.assertParks('k', 'too_large');
  assert.equal(transfer.bytesDone, 0);
  assert.equal(writes(pipeline), 0);
});

test('a deletion at the source leaves the target alone where the rule ignores deletions', async () => {
  await using pipeline = await opened('one', { rules: [{ ...RULE, deletes: 'ignore' }] });
  await pipeline.assertReplicates('k');
  pipeline.s3.deleteObject(SOURCE_BUCKET, 'k');
  await pipeline.take(notification(['k'], 'ObjectRemoved:Delete'));
  assert.equal((await pipeline.ended('k')).outcome, 'source_gone');
  assert.equal(pipeline.targetBytes('k')?.toString(), 'one');
});
