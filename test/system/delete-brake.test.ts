// Mirrored deletes of a real service: most of a bucket vanishes, the brake stops it, and a person decides.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notification, SOURCE_BUCKET, SystemUnderTest, TARGET_BUCKET } from './service-under-test.ts';

const OBJECTS = 200;
const DELETED = 80;
/** 10 percent of 200, the default. */
const LIMIT = 20;

interface BrakeJson {
  readonly rule: string;
  readonly state: string;
  readonly trippedAt?: string;
  readonly deletes: number;
  readonly limit: number;
  readonly windowSec: number;
  readonly objects: number;
  readonly held: number;
}

interface Counts {
  readonly queued: number;
  readonly copying: number;
  readonly settling: number;
  readonly parked: number;
}

const keys = Array.from({ length: OBJECTS }, (_, index) => `folder ${index % 7}/object-${index}`);
const deleted = keys.slice(0, DELETED);
const living = keys.slice(DELETED);

async function startMirroring(): Promise<SystemUnderTest> {
  return SystemUnderTest.start({
    DELETES: 'mirror',
    S3_EXPECTED_OWNER: '123456789012',
    SETTLE_GRACE_SEC: '1',
  });
}

async function post(system: SystemUnderTest, changed: readonly string[], eventName?: string): Promise<void> {
  const answer = await system.service.post('/v1/events', notification(changed, eventName));
  assert.equal(answer.status, 202);
}

async function untilAtRest(system: SystemUnderTest): Promise<Counts> {
  return system.until('rest', async () => {
    const { counts } = (await system.service.get('/v1/status')).body as { counts: Counts };
    return counts.queued + counts.copying + counts.settling === 0 ? counts : null;
  });
}

async function brakeOf(system: SystemUnderTest): Promise<BrakeJson> {
  const { brakes } = (await system.service.get('/v1/brakes')).body as { brakes: BrakeJson[] };
  const [brake] = brakes;
  assert.ok(brake !== undefined);
  return brake;
}

function atTarget(system: SystemUnderTest): string[] {
  return system.clouds.gcs.objects(TARGET_BUCKET).map(({ name }) => name);
}

/** 200 objects at both sides, 80 of them deleted at the source and announced. */
async function deleteManyObjects(system: SystemUnderTest): Promise<void> {
  for (const key of keys) await system.clouds.s3.putObject(SOURCE_BUCKET, key, `bytes of ${key}`);
  await post(system, keys);
  await untilAtRest(system);
  assert.equal(atTarget(system).length, OBJECTS);
  for (const key of deleted) system.clouds.s3.deleteObject(SOURCE_BUCKET, key);
  await post(system, deleted, 'ObjectRemoved:Delete');
  assert.equal((await untilAtRest(system)).parked, DELETED - LIMIT);
}

async function assertTripped(system: SystemUnderTest): Promise<void> {
  const { trippedAt, ...brake } = await brakeOf(system);
  assert.ok(!Number.isNaN(Date.parse(trippedAt ?? '')));
  assert.deepEqual(brake, {
    rule: 'default',
    state: 'tripped',
    deletes: LIMIT,
    limit: LIMIT,
    windowSec: 3600,
    objects: OBJECTS - LIMIT,
    limits: { count: 1000, sharePercent: 10 },
    held: DELETED - LIMIT,
    released: 0,
  });
  const metrics = await (await fetch(`${system.service.url}/metrics`)).text();
  assert.match(metrics, /^replicator_delete_brake_tripped\{rule="default"\} 1$/m);
}

function logCount(system: SystemUnderTest, text: string): number {
  return system.service.logLines.filter((line) => line.includes(text)).length;
}

test('a delete of 40 percent trips the brake, copies go on, a kill changes nothing, a release completes it', async () => {
  await using system = await startMirroring();
  await deleteManyObjects(system);
  assert.equal(atTarget(system).length, OBJECTS - LIMIT);
  await assertTripped(system);
  assert.equal(logCount(system, 'delete brake tripped'), 1);
  const held = (await system.service.get('/v1/transfers?fault=delete_brake&limit=100')).body as {
    transfers: { status: string; fault: { message: string } }[];
  };
  assert.equal(held.transfers.length, DELETED - LIMIT);
  assert.match(
    held.transfers[0]?.fault.message ?? '',
    /deleted 20 objects within 3600 s and may delete 20 \(10 % of about 200 objects, 10 at least\)\. This object was not deleted/,
  );

  await system.clouds.s3.putObject(SOURCE_BUCKET, 'new', 'bytes of new');
  await post(system, ['new']);
  assert.equal((await system.ended('new')).outcome, 'replicated');

  await system.service.kill();
  await system.restart();
  await untilAtRest(system);
  assert.equal((await brakeOf(system)).state, 'tripped');
  assert.equal((await brakeOf(system)).held, DELETED - LIMIT);
  await post(system, deleted, 'ObjectRemoved:Delete');
  await untilAtRest(system);
  assert.equal(atTarget(system).length, OBJECTS - LIMIT + 1, 'events that come again delete nothing');

  // One of them is back at the source before the release.
  const back = deleted.find((key) => atTarget(system).includes(key));
  assert.ok(back !== undefined);
  await system.clouds.s3.putObject(SOURCE_BUCKET, back, `bytes of ${back}`);
  const released = await system.service.post('/v1/rules/default/brake', { action: 'release' });
  assert.deepEqual(
    [released.status, released.body],
    [202, { rule: 'default', action: 'release', held: DELETED - LIMIT }],
  );
  assert.equal((await untilAtRest(system)).parked, 0);
  assert.deepEqual(atTarget(system).toSorted(), [...living, back, 'new'].toSorted());
  const after = await brakeOf(system);
  assert.deepEqual([after.state, after.held], ['ready', 0]);
  const metrics = await (await fetch(`${system.service.url}/metrics`)).text();
  assert.match(metrics, /^replicator_delete_brake_tripped\{rule="default"\} 0$/m);
  assert.equal(logCount(system, '"action":"brake.release"'), 1);
});

test('a rejected mass delete keeps its objects for good, and redriving the class of the brake is a release', async () => {
  await using system = await startMirroring();
  await deleteManyObjects(system);
  const kept = atTarget(system);
  const rejected = await system.service.post('/v1/rules/default/brake', { action: 'reject' });
  assert.equal(rejected.status, 202);
  assert.equal((await untilAtRest(system)).parked, 0);
  await post(system, deleted, 'ObjectRemoved:Delete');
  await untilAtRest(system);
  assert.deepEqual(atTarget(system), kept);
  const one = deleted.find((key) => kept.includes(key));
  assert.ok(one !== undefined);
  const object = system.clouds.gcs.getObject(TARGET_BUCKET, one);
  assert.equal(object?.metadata['replicator-adopted'], 'kept');

  // Others are deleted later: the brake trips again, and a redrive of its class lets them go.
  for (const key of living) system.clouds.s3.deleteObject(SOURCE_BUCKET, key);
  await post(system, living, 'ObjectRemoved:Delete');
  const { parked } = await untilAtRest(system);
  assert.ok(parked > 0);
  const narrow = await system.service.post('/v1/redrive', { fault: 'delete_brake', prefix: 'folder' });
  assert.equal(narrow.status, 202);
  assert.equal((await untilAtRest(system)).parked, parked, 'a part of them is only looked at again');
  const redriven = await system.service.post('/v1/redrive', { fault: 'delete_brake' });
  assert.deepEqual([redriven.status, redriven.body], [202, { redriven: parked, more: false }]);
  assert.equal((await untilAtRest(system)).parked, 0);
  assert.deepEqual(
    atTarget(system),
    kept.filter((name) => deleted.includes(name)),
  );
});

test('a delete event that was made up deletes nothing, whatever it says', async () => {
  await using system = await startMirroring();
  await system.clouds.s3.putObject(SOURCE_BUCKET, 'living', 'bytes');
  await post(system, ['living']);
  await untilAtRest(system);
  for (const eventName of [
    'ObjectRemoved:Delete',
    'ObjectRemoved:DeleteMarkerCreated',
    'LifecycleExpiration:Delete',
    'LifecycleExpiration:DeleteMarkerCreated',
  ]) {
    await post(system, ['living'], eventName);
    await untilAtRest(system);
    assert.equal((await system.service.newest(SOURCE_BUCKET, 'living'))?.outcome, 'already_current');
  }
  assert.deepEqual(atTarget(system), ['living']);
});
