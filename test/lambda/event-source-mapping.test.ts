// A queue before the function that replicates, with Lambda's own way of reading answers between them.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildReplicator } from '../../deploy/lambda/build.ts';
import { sqsClient } from '../../sandbox/sqs/sqs-test-client.ts';
import {
  CHANGES_QUEUE,
  SANDBOX_KEYS,
  SOURCE_BUCKET,
  startTwoClouds,
  TARGET_BUCKET,
} from '../../sandbox/two-clouds.ts';
import { answerBatch } from '../../src/triggers/lambda/sqs-batch.ts';
import { returnedIds, runMapping } from './event-source-mapping.ts';
import { OWN_RUNTIME, startFunction } from './function-process.ts';
import type { InvocationEnd } from './runtime-api.ts';

const OBJECTS = 1000;
const FUNCTIONS = 3;

function ended(body: unknown): InvocationEnd {
  return { kind: 'response', body, atMs: 0, leftMs: 0 };
}

const IDS = ['a', 'b', 'c'];
const READINGS: readonly [what: string, answer: unknown, back: readonly string[]][] = [
  ['our answer where all is done', answerBatch([]), []],
  ['our answer that names messages', answerBatch(['a', 'c']), ['a', 'c']],
  ['null', null, []],
  ['nothing about failures', { done: true }, []],
  ['null for the list', { batchItemFailures: null }, []],
  ['an id that is not in the batch', answerBatch(['x']), IDS],
  ['an empty id', answerBatch(['']), IDS],
  ['a list of bare ids', { batchItemFailures: ['a'] }, IDS],
  ['no list', { batchItemFailures: 'a' }, IDS],
];

for (const [what, answer, back] of READINGS)
  test(`Lambda takes ${what} for ${back.length} messages that come back`, () => {
    assert.deepEqual(returnedIds(ended(answer), IDS, true), back);
  });

test('without ReportBatchItemFailures the messages that are named are gone', () => {
  assert.deepEqual(returnedIds(ended(answerBatch(['a'])), IDS, false), []);
});

test(`${OBJECTS} objects, a tenth of the messages doubled and a tenth out of order, arrive through ${FUNCTIONS} functions`, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mapping-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await buildReplicator(folder);
  const delivery = { duplicatePermille: 100, reorderPermille: 100, seed: 7 };
  const clouds = await startTwoClouds({ s3: 0, gcs: 0, through: 'sqs', delivery });
  t.after(async () => clouds.close());
  const functions = await Promise.all(
    Array.from({ length: FUNCTIONS }, async () =>
      startFunction({
        folder: join(folder, 'replicate'),
        runtime: OWN_RUNTIME,
        environment: { ...clouds.settings, SETTLE_GRACE_SEC: '1' },
      }),
    ),
  );
  t.after(async () => Promise.all(functions.map(async (one) => one.stop())));
  const client = sqsClient(clouds.sqs.url, SANDBOX_KEYS);
  t.after(() => client.destroy());

  let isWritten = false;
  const mapping = runMapping({
    client,
    queueUrl: clouds.sqs.queueUrl(CHANGES_QUEUE),
    queueArn: clouds.sqs.queueArn(CHANGES_QUEUE),
    functions,
    reportsFailures: true,
    isOver: () => isWritten && clouds.sqs.inspect(CHANGES_QUEUE).messages.length === 0,
  });
  const versions = (n: number): number => (n % 4 === 0 ? 3 : 1);
  for (let n = 0; n < OBJECTS; n += 1)
    for (let version = 0; version < versions(n); version += 1)
      await clouds.s3.putObject(SOURCE_BUCKET, `o/${n}`, `object ${n} in version ${version}`);
  isWritten = true;
  const { invocations, failed } = await mapping;

  const { trouble } = clouds.sqs.inspect(CHANGES_QUEUE);
  t.diagnostic(`${invocations} invocations, ${failed} failed, ${JSON.stringify(trouble)}`);
  assert.ok(trouble.duplicated > 50 && trouble.reordered > 50, 'nothing went wrong on the way');
  const objects = clouds.gcs.objects(TARGET_BUCKET);
  assert.equal(objects.length, OBJECTS);
  for (const object of objects) {
    const n = Number(object.name.slice(2));
    assert.equal(object.read().toString(), `object ${n} in version ${versions(n) - 1}`);
  }
  assert.equal(clouds.sqs.inspect(`${CHANGES_QUEUE}-dead`).messages.length, 0);
});
