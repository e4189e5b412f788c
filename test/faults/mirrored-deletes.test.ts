// Mirrored deletes over real HTTP: every way in which S3 tells of one, sources with and without versions, objects that
// are not ours or no longer what we wrote, answers that are lost, and objects that are made again meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notification, Pipeline, RULE, SOURCE_BUCKET, TARGET_BUCKET } from './pipeline.ts';

const MIRROR = { ...RULE, deletes: 'mirror' } as const;
const REMOVED = 'ObjectRemoved:Delete';
const NARROW = { ...MIRROR, deleteBrake: { count: 3, sharePercent: 100, windowMs: 3_600_000 } };

async function opened(): Promise<Pipeline> {
  const pipeline = await Pipeline.open({ rules: [MIRROR] });
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'one');
  await pipeline.assertReplicates('k');
  return pipeline;
}

async function outcomeOfDelete(pipeline: Pipeline, document: object): Promise<string | null | undefined> {
  await pipeline.take(document);
  await pipeline.atRest();
  return (await pipeline.newest('k'))?.outcome;
}

function eventBridge(detailType: string, detail: object): object {
  return {
    version: '0',
    id: '7bf73129-1428-4cd3-a780-95db273d1602',
    source: 'aws.s3',
    'detail-type': detailType,
    time: new Date().toISOString(),
    detail: { version: '0', bucket: { name: SOURCE_BUCKET }, object: { key: 'k' }, ...detail },
  };
}

const DELETE_DOCUMENTS: readonly (readonly [what: string, document: () => object])[] = [
  ['a request', () => notification(['k'], REMOVED)],
  ['a delete marker', () => notification(['k'], 'ObjectRemoved:DeleteMarkerCreated')],
  ['a lifecycle rule', () => notification(['k'], 'LifecycleExpiration:Delete')],
  ['a lifecycle rule, versioned', () => notification(['k'], 'LifecycleExpiration:DeleteMarkerCreated')],
  [
    'EventBridge, a request',
    () => eventBridge('Object Deleted', { reason: 'DeleteObject', 'deletion-type': 'Permanently Deleted' }),
  ],
  [
    'EventBridge, a lifecycle rule',
    () =>
      eventBridge('Object Deleted', {
        reason: 'Lifecycle Expiration',
        'deletion-type': 'Delete Marker Created',
      }),
  ],
];

async function assertMirrored(what: string, document: () => object, isVersioned: boolean): Promise<void> {
  await using pipeline = await Pipeline.open({ rules: [MIRROR] });
  if (isVersioned) pipeline.s3.setVersioning(SOURCE_BUCKET, 'enabled');
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'one');
  await pipeline.assertReplicates('k');
  assert.equal(await outcomeOfDelete(pipeline, document()), 'already_current', `${what}, made up`);
  pipeline.s3.deleteObject(SOURCE_BUCKET, 'k');
  assert.equal(await outcomeOfDelete(pipeline, document()), 'deleted', what);
  assert.equal(pipeline.targetBytes('k'), null, what);
  assert.equal((await pipeline.newest('k'))?.receipt, null, 'there is nothing left to prove');
  assert.equal(await outcomeOfDelete(pipeline, document()), 'source_gone', `${what}, once more`);
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'two');
  await pipeline.assertReplicates('k');
}

test('however S3 tells of a deletion, it is mirrored, with versions and without', async () => {
  // Side by side: the target takes one change of a name a second.
  await Promise.all(
    DELETE_DOCUMENTS.flatMap(([what, document]) =>
      [false, true].map(async (isVersioned) => assertMirrored(what, document, isVersioned)),
    ),
  );
});

test('a rule that ignores deletions leaves the copy, and says that the source has it no more', async () => {
  await using pipeline = await Pipeline.open();
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'one');
  await pipeline.assertReplicates('k');
  pipeline.s3.deleteObject(SOURCE_BUCKET, 'k');
  assert.equal(await outcomeOfDelete(pipeline, notification(['k'], REMOVED)), 'source_gone');
  assert.equal(pipeline.targetBytes('k')?.toString(), 'one');
});

test('an object of somebody else, one that was adopted, and one rewritten under our stamp stay', async () => {
  await using foreign = await Pipeline.open({ rules: [MIRROR] });
  await foreign.foreignWrite('k', 'theirs');
  assert.equal(await outcomeOfDelete(foreign, notification(['k'], REMOVED)), 'source_gone');
  assert.equal(foreign.targetBytes('k')?.toString(), 'theirs');

  await using adopted = await Pipeline.open({ rules: [MIRROR] });
  await adopted.foreignWrite('k', 'same');
  await adopted.s3.putObject(SOURCE_BUCKET, 'k', 'same');
  await adopted.replicate('k');
  assert.equal(adopted.gcs.getObject(TARGET_BUCKET, 'k')?.metadata['replicator-adopted'], 'true');
  adopted.s3.deleteObject(SOURCE_BUCKET, 'k');
  assert.equal(await outcomeOfDelete(adopted, notification(['k'], REMOVED)), 'source_gone');
  assert.equal(adopted.targetBytes('k')?.toString(), 'same');

  await using rewritten = await opened();
  const stamp = rewritten.gcs.getObject(TARGET_BUCKET, 'k')?.metadata ?? {};
  await rewritten.foreignWrite('k', 'two');
  const address = `${rewritten.gcs.url}/storage/v1/b/${TARGET_BUCKET}/o/k`;
  const patched = await fetch(address, {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ metadata: stamp }),
  });
  assert.equal(patched.status, 200, await patched.text());
  rewritten.s3.deleteObject(SOURCE_BUCKET, 'k');
  assert.equal(await outcomeOfDelete(rewritten, notification(['k'], REMOVED)), 'source_gone');
  assert.equal(rewritten.targetBytes('k')?.toString(), 'two');
});

test('a delete whose answer is lost is looked at again, and settles as deleted', async () => {
  await using pipeline = await opened();
  pipeline.s3.deleteObject(SOURCE_BUCKET, 'k');
  pipeline.gcs.faults.add({ match: { method: 'DELETE' }, effect: { kind: 'lose_answer' } });
  assert.equal(await outcomeOfDelete(pipeline, notification(['k'], REMOVED)), 'deleted');
  pipeline.assertAllHappened();
  assert.equal(pipeline.targetBytes('k'), null);
  const ends = pipeline.told.filter(
    ({ name, event }) => name === 'transferFinished' && event['status'] === 'settling',
  );
  assert.equal(ends.length, 1);
});

test('an object that is made again while the answer to its delete is lost is there in the end', async () => {
  await using pipeline = await opened();
  pipeline.s3.deleteObject(SOURCE_BUCKET, 'k');
  let madeAgain: Promise<unknown> = Promise.resolve();
  pipeline.gcs.faults.add({
    match: { method: 'DELETE' },
    effect: {
      kind: 'edit_answer',
      edit: (answer) => {
        madeAgain = pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'two');
        return { ...answer, status: 503 };
      },
    },
  });
  await pipeline.take(notification(['k'], REMOVED));
  await pipeline.atRest();
  pipeline.assertAllHappened();
  await madeAgain;
  await pipeline.take(notification(['k']));
  await pipeline.atRest();
  pipeline.assertEqual('k');
});

test('an object that is made again, and written, before its delete arrives is copied, not deleted', async () => {
  await using pipeline = await opened();
  pipeline.s3.deleteObject(SOURCE_BUCKET, 'k');
  pipeline.gcs.faults.add({
    match: { method: 'DELETE' },
    effect: {
      kind: 'meanwhile',
      run: async () => {
        await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'two');
        await pipeline.foreignWrite('k', 'in between');
      },
    },
  });
  await pipeline.take(notification(['k'], REMOVED));
  await pipeline.atRest();
  pipeline.assertAllHappened();
  pipeline.assertEqual('k');
  assert.equal(pipeline.targetBytes('k')?.toString(), 'two');
});

test('a target that refuses or fails deletes for a while uses up no more of the limit than one delete each', async () => {
  await using pipeline = await Pipeline.open({ rules: [NARROW] });
  const keys = ['a', 'b', 'c'];
  for (const key of keys) {
    await pipeline.s3.putObject(SOURCE_BUCKET, key, key);
    await pipeline.assertReplicates(key);
    pipeline.s3.deleteObject(SOURCE_BUCKET, key);
  }
  pipeline.gcs.faults.add({
    match: { method: 'DELETE' },
    effect: { kind: 'status', status: 503 },
    times: 12,
  });
  await pipeline.take(notification(keys, REMOVED));
  await pipeline.atRest();
  pipeline.assertAllHappened();
  for (const key of keys) {
    assert.equal(pipeline.targetBytes(key), null, key);
    assert.equal((await pipeline.newest(key))?.status, 'done', key);
  }
  assert.deepEqual(
    pipeline.told.filter(({ name }) => name === 'brakeTripped'),
    [],
  );
});

test('without the permission to delete the transfer parks and names it', async () => {
  await using pipeline = await opened();
  pipeline.s3.deleteObject(SOURCE_BUCKET, 'k');
  pipeline.gcs.deny('storage.objects.delete');
  await pipeline.take(notification(['k'], REMOVED));
  await pipeline.atRest();
  const transfer = await pipeline.newest('k');
  assert.deepEqual([transfer?.status, transfer?.fault?.code], ['parked', 'access_denied']);
  assert.match(transfer?.fault?.message ?? '', /storage\.objects\.delete/);
  pipeline.gcs.allow('storage.objects.delete');
  assert.equal((await pipeline.redriven('k')).outcome, 'deleted');
});
