// The service killed in the middle of its work, and stopped politely: nothing accepted is lost, nothing is there
// twice, and what was copied already is not copied again where the session could be kept.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import {
  notification,
  someBytes,
  SOURCE_BUCKET,
  SystemUnderTest,
  TARGET_BUCKET,
} from './service-under-test.ts';

const MIB = 1024 * 1024;
const LARGE = 'large.bin';

/** Puts a large object whose first read stops half-way, posts its event, and waits until bytes are on their way. */
async function stopHalfWay(system: SystemUnderTest): Promise<Buffer> {
  const bytes = someBytes(64 * MIB);
  await system.clouds.s3.putObject(SOURCE_BUCKET, LARGE, bytes);
  system.clouds.s3.faults.add({
    match: { method: 'GET', path: LARGE },
    effect: { kind: 'stall_response', afterBytes: 40 * MIB },
  });
  const answer = await system.service.post('/v1/events', notification([LARGE]));
  assert.equal(answer.status, 202);
  await system.until('progress of the large transfer', async () => {
    const transfer = await system.service.newest(SOURCE_BUCKET, LARGE);
    return transfer !== null && transfer.bytesDone >= 16 * MIB ? transfer : null;
  });
  return bytes;
}

function sessionsOpened(system: SystemUnderTest): number {
  return system.uploads().filter((line) => line.includes('uploadType=resumable')).length;
}

async function assertArrivedOnce(system: SystemUnderTest, bytes: Buffer): Promise<void> {
  const transfer = await system.ended(LARGE);
  assert.equal(transfer.status, 'done');
  const objects = system.clouds.gcs.objects(TARGET_BUCKET);
  assert.deepEqual(
    objects.map((object) => object.name),
    [LARGE],
  );
  assert.ok(objects[0]?.read().equals(bytes), 'The bytes differ');
  assert.equal(transfer.receipt?.generation, objects[0]?.generation);
}

test('kill -9 in the middle of a large transfer: with an encryption key the next start resumes the upload', async () => {
  const encryptionKey = randomBytes(32).toString('base64');
  await using system = await SystemUnderTest.start({
    SETTLE_GRACE_SEC: '1',
    REPLICATOR_ENCRYPTION_KEY: encryptionKey,
  });
  const bytes = await stopHalfWay(system);
  await system.service.kill();
  await system.restart();
  await assertArrivedOnce(system, bytes);
  assert.equal(sessionsOpened(system), 1);
  assert.ok(
    system.clouds.s3.requests.filter((line) => line.startsWith('GET') && line.includes(LARGE)).length >= 2,
    'The rest was read by a second request',
  );
  const resumed = system.service.logLines.filter((line) => line.includes('resum'));
  assert.ok(resumed.length > 0, 'The log tells that the upload was resumed');
  assert.ok(
    !system.service.logLines.some((line) => line.includes('upload_id')),
    'The session is never shown',
  );
});

test('kill -9 in the middle of a large transfer: without an encryption key the next start begins again', async () => {
  await using system = await SystemUnderTest.start({ SETTLE_GRACE_SEC: '1' });
  const bytes = await stopHalfWay(system);
  await system.service.kill();
  await system.restart();
  await assertArrivedOnce(system, bytes);
  assert.equal(sessionsOpened(system), 2);
});

test('a row taken over after a crash is looked at once more after the grace, and says so meanwhile', async () => {
  await using system = await SystemUnderTest.start({ SETTLE_GRACE_SEC: '3' });
  await stopHalfWay(system);
  await system.service.kill();
  await system.restart();
  const settling = await system.until('settling', async () => {
    const transfer = await system.service.newest(SOURCE_BUCKET, LARGE);
    return transfer?.status === 'settling' ? transfer : null;
  });
  assert.equal(settling.outcome, 'replicated');
  assert.equal((await system.ended(LARGE)).status, 'done');
});

test('SIGTERM gives a running transfer back, exits 0, and the next start completes it at once', async () => {
  await using system = await SystemUnderTest.start({ SHUTDOWN_GRACE_SEC: '1' });
  const bytes = await stopHalfWay(system);
  assert.equal(await system.service.stop(), 0);
  assert.ok(system.service.logLines.some((line) => line.includes('stopped')));
  await system.restart();
  await assertArrivedOnce(system, bytes);
});

test('accepted changes survive kill -9 although the stores were down all the time', async () => {
  await using system = await SystemUnderTest.start({ SETTLE_GRACE_SEC: '1' });
  const keys = Array.from({ length: 50 }, (_, index) => `object-${index}`);
  for (const key of keys) await system.clouds.s3.putObject(SOURCE_BUCKET, key, `bytes of ${key}`);
  const down = { kind: 'status', status: 503, body: 'down' } as const;
  system.clouds.s3.faults.add({ match: {}, effect: down, times: Number.POSITIVE_INFINITY });
  const answer = await system.service.post('/v1/events', notification(keys));
  assert.equal(answer.status, 202);
  await system.service.kill();
  system.clouds.s3.faults.clear();
  await system.restart();
  for (const key of keys) assert.equal((await system.ended(key)).status, 'done', key);
  for (const key of keys) {
    assert.equal(system.clouds.gcs.getObject(TARGET_BUCKET, key)?.read().toString(), `bytes of ${key}`);
  }
});
