// What is at the source before anybody told of it is brought over by a backfill: through a kill in the middle, with
// live changes passing it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notification, SOURCE_BUCKET, SystemUnderTest, TARGET_BUCKET } from './service-under-test.ts';

interface RunAnswer {
  readonly id: string;
  readonly state: string;
  readonly counts: Readonly<Record<'listed' | 'fed' | 'ended' | 'parked', number>>;
}

async function runOf(system: SystemUnderTest, id: string): Promise<RunAnswer> {
  return (await system.service.get(`/v1/backfills/${id}`)).body as RunAnswer;
}

async function putMany(system: SystemUnderTest, count: number): Promise<string[]> {
  const keys = Array.from({ length: count }, (_, index) => `photos/${index % 13}/ä ${index}+😀.jpg`);
  for (const key of keys) await system.clouds.s3.putObject(SOURCE_BUCKET, key, key);
  return keys;
}

test('3,000 objects that were there before are brought over, through a kill in the middle', async () => {
  await using system = await SystemUnderTest.start({ SETTLE_GRACE_SEC: '2' });
  const keys = await putMany(system, 3000);
  await system.clouds.s3.putObject(SOURCE_BUCKET, 'elsewhere', 'not asked for');
  const begun = await system.service.post('/v1/backfills', { bucket: SOURCE_BUCKET, prefix: 'photos/' });
  assert.equal(begun.status, 202);
  const [{ id }] = (begun.body as { runs: [RunAnswer] }).runs;

  const before = await system.until('some of them', async () => {
    const run = await runOf(system, id);
    return run.counts.ended >= 200 ? run : null;
  });
  assert.notEqual(before.state, 'completed', 'the kill comes in the middle');
  await system.service.kill();
  assert.ok(system.clouds.gcs.objects(TARGET_BUCKET).length < keys.length);
  await system.restart();
  const started = await runOf(system, id);
  assert.ok(started.counts.listed >= before.counts.listed, 'nothing is listed anew');

  // A live change passes what waits from the backfill.
  await system.clouds.s3.putObject(SOURCE_BUCKET, 'live', 'live');
  await system.service.post('/v1/events', notification(['live']));
  await system.until('the live change', async () => {
    const transfer = await system.service.newest(SOURCE_BUCKET, 'live');
    return transfer?.receipt ?? null;
  });
  assert.ok(
    (await runOf(system, id)).counts.ended < keys.length,
    'the live change did not wait for the backfill',
  );

  const after = await system.until('the end of the backfill', async () => {
    const run = await runOf(system, id);
    return run.state === 'completed' ? run : null;
  });
  const { listed, fed, ended, parked } = after.counts;
  assert.deepEqual([listed, fed, ended, parked], [3000, 3000, 3000, 0]);
  const objects = system.clouds.gcs.objects(TARGET_BUCKET);
  assert.deepEqual(objects.map(({ name }) => name).toSorted(), [...keys, 'live'].toSorted());
  for (const object of objects) assert.equal(object.read().toString(), object.name);
});
