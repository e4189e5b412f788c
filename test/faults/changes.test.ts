// Changes that come twice, late, in the wrong order, half empty, or about something else: what both stores show decides,
// so the target ends like the source whatever was said about it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notification, Pipeline, RULE, SOURCE_BUCKET, TARGET_BUCKET } from './pipeline.ts';

const MIRROR = { ...RULE, deletes: 'mirror' } as const;
const CREATED = 'ObjectCreated:Put';
const REMOVED = 'ObjectRemoved:Delete';

function uploads({ gcs }: Pipeline): number {
  return gcs.requests.filter((line) => line.startsWith('POST') && line.includes('/upload/')).length;
}

test('one change a hundred times in one document and in many makes one upload', async () => {
  await using pipeline = await Pipeline.open();
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'one');
  const { accepted } = await pipeline.take(notification(Array.from({ length: 100 }, () => 'k')));
  assert.equal(accepted, 100);
  await Promise.all(Array.from({ length: 100 }, async () => pipeline.take(notification(['k']))));
  await pipeline.atRest();
  pipeline.assertEqual('k');
  assert.equal(uploads(pipeline), 1);
});

test('two creations that arrive in the wrong order, with their own sizes and sequencers, leave the newest content', async () => {
  await using pipeline = await Pipeline.open();
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'older');
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'the newest');
  await pipeline.take(notification(['k'], CREATED, { size: 10, sequencer: '00B' }));
  await pipeline.ended('k');
  await pipeline.take(notification(['k'], CREATED, { size: 5, sequencer: '00A' }));
  await pipeline.atRest();
  assert.equal(pipeline.targetBytes('k')?.toString(), 'the newest');
  pipeline.assertEqual('k');
});

test('a deletion whose change arrives after that of the new creation leaves the object there', async () => {
  await using pipeline = await Pipeline.open({ rules: [MIRROR] });
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'one');
  await pipeline.assertReplicates('k');
  pipeline.s3.deleteObject(SOURCE_BUCKET, 'k');
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'two');
  await pipeline.take(notification(['k'], CREATED, { sequencer: '00B' }));
  await pipeline.atRest();
  await pipeline.take(notification(['k'], REMOVED, { sequencer: '00A' }));
  await pipeline.atRest();
  assert.equal(pipeline.targetBytes('k')?.toString(), 'two');
  pipeline.assertEqual('k');
});

test('a creation whose change arrives after that of the deletion leaves the object gone where deletes are mirrored', async () => {
  await using pipeline = await Pipeline.open({ rules: [MIRROR] });
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'one');
  await pipeline.assertReplicates('k');
  pipeline.s3.deleteObject(SOURCE_BUCKET, 'k');
  await pipeline.take(notification(['k'], REMOVED, { sequencer: '00B' }));
  await pipeline.atRest();
  await pipeline.take(notification(['k'], CREATED, { sequencer: '00A', size: 3 }));
  await pipeline.atRest();
  assert.equal(pipeline.targetBytes('k'), null);
  assert.equal((await pipeline.newest('k'))?.outcome, 'source_gone');
});

test('the deletion of an old version leaves what is current', async () => {
  await using pipeline = await Pipeline.open({ rules: [MIRROR] });
  pipeline.s3.setVersioning(SOURCE_BUCKET, 'enabled');
  const { versionId } = await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'one');
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'two');
  await pipeline.assertReplicates('k');
  pipeline.s3.deleteObject(SOURCE_BUCKET, 'k', versionId ?? '');
  await pipeline.take(notification(['k'], REMOVED, { versionId }));
  await pipeline.atRest();
  assert.equal((await pipeline.newest('k'))?.outcome, 'already_current');
  pipeline.assertEqual('k');
});

test('a deletion that was made up deletes nothing', async () => {
  await using pipeline = await Pipeline.open({ rules: [MIRROR] });
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'one');
  await pipeline.assertReplicates('k');
  for (const name of [REMOVED, 'ObjectRemoved:DeleteMarkerCreated', 'LifecycleExpiration:Delete'])
    await pipeline.take(notification(['k'], name, { versionId: 'made-up', sequencer: 'FFFF' }));
  await pipeline.atRest();
  pipeline.assertEqual('k');
});

test('two overwrites of which one is announced leave the newest content', async () => {
  await using pipeline = await Pipeline.open();
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'one');
  await pipeline.assertReplicates('k');
  const { versionId, etag } = await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'two');
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'three');
  await pipeline.take(
    notification(['k'], CREATED, { eTag: etag, versionId: versionId ?? undefined, size: 3 }),
  );
  await pipeline.atRest();
  assert.equal(pipeline.targetBytes('k')?.toString(), 'three');
});

test('a change without size, version and sequencer, or with absurd ones, converges all the same', async () => {
  await using pipeline = await Pipeline.open();
  const hints: readonly object[] = [
    {},
    { size: -1, versionId: 7, sequencer: {} },
    { size: 2 ** 60, versionId: 'null', sequencer: '' },
    { size: 0, eTag: 'other' },
  ];
  for (const [index, hint] of hints.entries()) {
    const key = `k${index}`;
    await pipeline.s3.putObject(SOURCE_BUCKET, key, `bytes ${index}`);
    await pipeline.take(notification([key], CREATED, hint));
    assert.equal((await pipeline.ended(key)).outcome, 'replicated', JSON.stringify(hint));
    pipeline.assertEqual(key);
  }
});

test('the test event, other buckets, and the target bucket itself are ignored and make no work', async () => {
  await using pipeline = await Pipeline.open();
  const foreign = JSON.stringify(notification(['k']));
  const documents: readonly unknown[] = [
    { Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: SOURCE_BUCKET, RequestId: '1', HostId: '2' },
    JSON.parse(foreign.replaceAll(SOURCE_BUCKET, 'somebody-elses')),
    JSON.parse(foreign.replaceAll(SOURCE_BUCKET, TARGET_BUCKET)),
  ];
  for (const document of documents) {
    const answer = await pipeline.take(document);
    assert.deepEqual([answer.accepted, answer.ignored, answer.quarantined], [0, 1, 0]);
  }
  await pipeline.atRest();
  assert.deepEqual([pipeline.s3.requests.length, pipeline.gcs.requests.length], [0, 0]);
});

test('a record whose key cannot be decoded, or of an unknown format, is kept and the others are copied', async () => {
  await using pipeline = await Pipeline.open();
  await pipeline.s3.putObject(SOURCE_BUCKET, 'good', 'one');
  const [good] = notification(['good']).Records;
  const [bad] = notification(['bad'], CREATED, { key: '100%' }).Records;
  const [future] = notification(['future']).Records;
  const answer = await pipeline.take({ Records: [bad, { ...future, eventVersion: '3.0' }, good] });
  assert.deepEqual([answer.accepted, answer.quarantined], [1, 2]);
  assert.equal((await pipeline.ended('good')).outcome, 'replicated');
  const { records } = await pipeline.queue.listQuarantine({ cursor: null, limit: 10 });
  assert.equal(records.length, 2);
  assert.ok(records.some(({ raw }) => raw.includes('"100%"')));
});

test('a delete that meets a newer object at the target removes nothing, and one that meets nothing looks again', async () => {
  for (const [meanwhile, left] of [
    [async (pipeline: Pipeline) => pipeline.foreignWrite('k', 'theirs'), 'theirs'],
    [async (pipeline: Pipeline) => pipeline.foreignDelete('k'), undefined],
  ] as const) {
    await using pipeline = await Pipeline.open({ rules: [MIRROR] });
    await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'one');
    await pipeline.assertReplicates('k');
    pipeline.s3.deleteObject(SOURCE_BUCKET, 'k');
    pipeline.gcs.faults.add({
      match: { method: 'DELETE' },
      effect: { kind: 'meanwhile', run: async () => meanwhile(pipeline) },
    });
    await pipeline.take(notification(['k'], REMOVED));
    await pipeline.atRest();
    pipeline.assertAllHappened();
    assert.equal((await pipeline.newest('k'))?.status, 'done');
    assert.equal(pipeline.targetBytes('k')?.toString(), left);
    assert.deepEqual(pipeline.retriedFaults(), []);
  }
});
