// A notification that never arrives: the next reconcile finds the object, heals it and counts it, over real HTTP with
// both listings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notification, SOURCE_BUCKET, SystemUnderTest, TARGET_BUCKET } from './service-under-test.ts';

interface RunAnswer {
  readonly id: string;
  readonly state: string;
  readonly counts: Readonly<Record<string, number>>;
}

const AN_HOUR_AGO_MS = Date.now() - 3_600_000;

/** Writes an object an hour ago, as far as S3 tells; nobody is told. */
async function putSilently(system: SystemUnderTest, key: string, text: string): Promise<void> {
  await system.clouds.s3.putObject(SOURCE_BUCKET, key, text);
  system.clouds.s3.setObjectState(SOURCE_BUCKET, key, { lastModifiedMs: AN_HOUR_AGO_MS });
}

async function reconcile(system: SystemUnderTest): Promise<RunAnswer> {
  const begun = await system.service.post('/v1/reconciles', {});
  assert.equal(begun.status, 202);
  const [{ id }] = (begun.body as { runs: [RunAnswer] }).runs;
  return system.until('the end of the reconcile', async () => {
    const run = (await system.service.get(`/v1/reconciles/${id}`)).body as RunAnswer;
    return run.state === 'completed' || run.state === 'failed' ? run : null;
  });
}

async function metrics(system: SystemUnderTest): Promise<string> {
  return (await fetch(`${system.service.url}/metrics`)).text();
}

/** The numbers that are not zero, without those that only tell the size of the bucket. */
function differencesOf({ state, counts }: RunAnswer): Record<string, unknown> {
  const { listed: _, held: __, appeared: ___, outcomes: ____, ...rest } = counts;
  return { state, ...Object.fromEntries(Object.entries(rest).filter(([, count]) => count > 0)) };
}

test('an object whose notification never arrives is healed by a reconcile and counted', async () => {
  await using system = await SystemUnderTest.start();
  const keys = Array.from({ length: 1100 }, (_, index) => `böx/${index % 3}/${index} 😀+\uff5e`);
  for (const key of keys) await putSilently(system, key, `bytes of ${key}`);
  await system.service.post('/v1/events', notification(keys));
  await system.until('all copies', async () =>
    system.clouds.gcs.objects(TARGET_BUCKET).length === keys.length ? true : null,
  );
  const equal = await reconcile(system);
  assert.deepEqual(differencesOf(equal), { state: 'completed' }, 'both sides are equal');
  assert.deepEqual([equal.counts['listed'], equal.counts['held']], [1100, 1100]);

  await putSilently(system, 'lost', 'never told');
  await putSilently(system, keys[700] ?? '', 'overwritten, never told');
  system.clouds.s3.deleteObject(SOURCE_BUCKET, keys[3] ?? '');
  const uploadsBefore = system.uploads().length;
  const healing = await reconcile(system);
  assert.deepEqual(differencesOf(healing), {
    state: 'completed',
    missing: 1,
    different: 1,
    kept: 1,
    fed: 2,
    ended: 2,
    healed: 2,
  });
  assert.equal(system.uploads().length - uploadsBefore, 2);
  const copies = new Map(
    system.clouds.gcs.objects(TARGET_BUCKET).map((object) => [object.name, object.read().toString()]),
  );
  assert.equal(copies.get('lost'), 'never told');
  assert.equal(copies.get(keys[700] ?? ''), 'overwritten, never told');
  assert.equal(copies.get(keys[3] ?? ''), `bytes of ${keys[3]}`, 'deletes are ignored');
  const text = await metrics(system);
  for (const line of [
    'replicator_reconcile_differences_total{rule="default",kind="missing"} 1',
    'replicator_reconcile_differences_total{rule="default",kind="different"} 1',
    'replicator_reconcile_differences_total{rule="default",kind="orphan"} 1',
    'replicator_healed_total{outcome="replicated"} 2',
  ])
    assert.ok(text.includes(`${line}\n`), line);
  assert.match(text, /replicator_reconcile_last_completed_timestamp_seconds\{rule="default"\} \d{10}/);
  assert.equal(system.service.logLines.filter((line) => line.includes('healed: a reconcile')).length, 2);

  // Over a restart the time of the last complete one is known, and nothing is found a second time.
  await system.service.stop();
  await system.restart();
  assert.match(
    await metrics(system),
    /replicator_reconcile_last_completed_timestamp_seconds\{rule="default"\}/,
  );
  assert.deepEqual(differencesOf(await reconcile(system)), { state: 'completed', kept: 1 });
});

test('without permission to list, a reconcile fails with the reason; given back, the next one heals', async () => {
  await using system = await SystemUnderTest.start();
  await putSilently(system, 'lost', 'never told');
  system.clouds.s3.denyListing(SOURCE_BUCKET, true);
  const failed = (await reconcile(system)) as RunAnswer & { fault?: { code: string; message: string } };
  assert.equal(failed.state, 'failed');
  assert.equal(failed.fault?.code, 'access_denied');
  assert.match(failed.fault?.message ?? '', /s3:ListBucket/);
  system.clouds.s3.denyListing(SOURCE_BUCKET, false);
  assert.deepEqual(differencesOf(await reconcile(system)), {
    state: 'completed',
    missing: 1,
    fed: 1,
    ended: 1,
    healed: 1,
  });
});

test('a delete whose notification never arrives is mirrored by a reconcile, and the brake learns how many objects there are', async () => {
  await using system = await SystemUnderTest.start({ DELETES: 'mirror', S3_EXPECTED_OWNER: '123456789012' });
  const keys = Array.from({ length: 30 }, (_, index) => `object-${index}`);
  for (const key of keys) await putSilently(system, key, `bytes of ${key}`);
  const copying = await reconcile(system);
  assert.deepEqual([copying.counts['missing'], copying.counts['healed']], [30, 30]);
  system.clouds.s3.deleteObject(SOURCE_BUCKET, 'object-7');
  const theirs = `/upload/storage/v1/b/${TARGET_BUCKET}/o?uploadType=media&name=theirs`;
  assert.equal(
    (await fetch(system.clouds.gcs.url + theirs, { method: 'POST', body: 'not ours' })).status,
    200,
  );
  assert.deepEqual(differencesOf(await reconcile(system)), {
    state: 'completed',
    orphans: 1,
    fed: 1,
    ended: 1,
    healed: 1,
  });
  const names = system.clouds.gcs.objects(TARGET_BUCKET).map(({ name }) => name);
  const left = [...keys.filter((key) => key !== 'object-7'), 'theirs'];
  assert.deepEqual(names.toSorted(), left.toSorted());
  await system.until('the number of objects', async () => {
    const { brakes } = (await system.service.get('/v1/brakes')).body as { brakes: { objects: number }[] };
    return brakes[0]?.objects === left.length - 1 ? true : null;
  });
  const text = await metrics(system);
  assert.ok(text.includes('replicator_reconcile_differences_total{rule="default",kind="orphan"} 1\n'));
  assert.ok(text.includes('replicator_healed_total{outcome="deleted"} 1\n'));
});
