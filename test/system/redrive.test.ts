// Parked is not the end: a permission that is taken away and given back, with a person who redrives the class, and
// without one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notification, SOURCE_BUCKET, SystemUnderTest, TARGET_BUCKET } from './service-under-test.ts';

interface ParkedAnswer {
  readonly classes: readonly {
    readonly rule: string;
    readonly count: number;
    readonly fault: { readonly code: string; readonly remedy: string };
    readonly example: { readonly fault: { readonly message: string } };
  }[];
}

interface StatusAnswer {
  readonly counts: Readonly<Record<'queued' | 'copying' | 'settling' | 'parked', number>>;
}

/** Puts objects that the service may not read, posts their changes, and waits until all are parked. */
async function parkAll(system: SystemUnderTest, keys: readonly string[]): Promise<void> {
  for (const key of keys) await system.clouds.s3.putObject(SOURCE_BUCKET, key, `bytes of ${key}`);
  system.clouds.s3.denyReads(SOURCE_BUCKET, true);
  assert.equal((await system.service.post('/v1/events', notification(keys))).status, 202);
  await untilCounts(system, ({ parked }) => parked === keys.length);
}

async function untilCounts(
  system: SystemUnderTest,
  isReached: (counts: StatusAnswer['counts']) => boolean,
): Promise<void> {
  await system.until('the counts', async () => {
    const { counts } = (await system.service.get('/v1/status')).body as StatusAnswer;
    return isReached(counts) ? counts : null;
  });
}

const isEmpty = ({ queued, copying, settling, parked }: StatusAnswer['counts']): boolean =>
  queued + copying + settling + parked === 0;

function assertEqualSides(system: SystemUnderTest, keys: readonly string[]): void {
  const objects = system.clouds.gcs.objects(TARGET_BUCKET);
  assert.deepEqual(
    objects.map(({ name }) => name).toSorted(),
    keys.toSorted(),
    'each object is there, and nothing else',
  );
  for (const object of objects) assert.equal(object.read().toString(), `bytes of ${object.name}`);
}

function linesWith(system: SystemUnderTest, text: string): Record<string, unknown>[] {
  return system.service.logLines
    .filter((line) => line.includes(text))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('200 objects parked for a lost permission are completed by one redrive of their class', async () => {
  await using system = await SystemUnderTest.start();
  const keys = Array.from({ length: 200 }, (_, index) => `folder ${index % 7}/object-${index}`);
  await parkAll(system, keys);
  const { classes } = (await system.service.get('/v1/parked')).body as ParkedAnswer;
  assert.deepEqual(
    classes.map(({ rule, count, fault }) => [rule, count, fault.code]),
    [['default', 200, 'access_denied']],
  );
  assert.match(classes[0]?.fault.remedy ?? '', /^Grant the permission/);
  assert.match(classes[0]?.example.fault.message ?? '', /s3:GetObject/);

  const tooEarly = await system.service.post('/v1/redrive', { fault: 'access_denied' });
  assert.deepEqual([tooEarly.status, tooEarly.body], [202, { redriven: 200, more: false }]);
  await untilCounts(system, ({ queued, copying, parked }) => queued + copying === 0 && parked === 200);
  assert.equal(system.uploads().length, 0);

  system.clouds.s3.denyReads(SOURCE_BUCKET, false);
  const other = await system.service.post('/v1/redrive', { fault: 'access_denied', bucket: 'another' });
  assert.deepEqual(other.body, { redriven: 0, more: false });
  const redriven = await system.service.post('/v1/redrive', { fault: 'access_denied' });
  assert.deepEqual([redriven.status, redriven.body], [202, { redriven: 200, more: false }]);
  await untilCounts(system, isEmpty);
  assertEqualSides(system, keys);
  assert.equal(system.uploads().length, 200, 'one upload for each object');
  assert.deepEqual((await system.service.get('/v1/parked')).body, { classes: [] });
  assert.deepEqual(
    linesWith(system, 'parked transfers redriven by request').map((line) => [
      line['fault'],
      line['redriven'],
      line['keyId'],
    ]),
    [
      ['access_denied', 200, 'loopback'],
      ['access_denied', 0, 'loopback'],
      ['access_denied', 200, 'loopback'],
    ],
  );
});

test('a permission that is back is noticed without a person, and the class is told in two lines', async () => {
  await using system = await SystemUnderTest.start();
  const keys = Array.from({ length: 40 }, (_, index) => `object-${index}`);
  await parkAll(system, keys);
  await system.service.stop();
  system.clouds.s3.denyReads(SOURCE_BUCKET, false);
  await system.restart();
  await untilCounts(system, isEmpty);
  assertEqualSides(system, keys);
  const lines = await system.until('the lines of the recheck', async () => {
    const found = linesWith(system, 'recheck: ');
    return found.length >= 2 ? found : null;
  });
  assert.deepEqual(
    lines.map(({ rule, fault, parked, redriven }) => [rule, fault, parked, redriven]),
    [
      ['default', 'access_denied', 40, undefined],
      ['default', 'access_denied', undefined, 39],
    ],
  );
});
