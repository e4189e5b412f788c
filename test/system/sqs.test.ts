// The service as a process that receives its changes from a queue: nothing lost and nothing twice, whatever happens to
// the messages, the queue or the process.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../sandbox/sandbox-clock.ts';
import { notification, SOURCE_BUCKET, TARGET_BUCKET } from './service-under-test.ts';
import { QUEUE, type SqsUnderTest, startSqsSystem } from './sqs-under-test.ts';

/** Puts objects and announces each in a message of its own. */
async function putAndAnnounce({ sqs, system }: SqsUnderTest, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    await system.clouds.s3.putObject(SOURCE_BUCKET, key, `bytes of ${key}`);
    sqs.send(QUEUE, JSON.stringify(notification([key])));
  }
}

async function assertAllArrived({ system }: SqsUnderTest, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    assert.equal((await system.ended(key)).status, 'done', key);
    assert.equal(system.clouds.gcs.getObject(TARGET_BUCKET, key)?.read().toString(), `bytes of ${key}`);
  }
}

function names(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `object-${String(index).padStart(4, '0')}`);
}

function logged({ system }: SqsUnderTest, message: string): number {
  return system.service.logLines.filter((line) => line.includes(`"msg":"${message}`)).length;
}

test('hundreds of messages, a tenth of them doubled and a tenth out of order, bring every object over once', async () => {
  await using world = await startSqsSystem({ delivery: { duplicatePermille: 100, reorderPermille: 100 } });
  const keys = names(400);
  await putAndAnnounce(world, keys);
  await assertAllArrived(world, keys);
  await world.untilEmpty();
  assert.equal(world.system.uploads().length, keys.length);
  const { trouble } = world.sqs.inspect(QUEUE);
  assert.ok(trouble.duplicated > 10 && trouble.reordered > 10, JSON.stringify(trouble));
});

test('kill -9 between the insert and the delete: the message comes again, nothing is lost and nothing copied twice', async () => {
  const clock = new ManualClock(Date.now());
  await using world = await startSqsSystem({ clock, settings: { SETTLE_GRACE_SEC: '1' } });
  const { sqs, system } = world;
  sqs.faults.add({
    match: { header: { name: 'x-amz-target', contains: 'DeleteMessageBatch' } },
    effect: { kind: 'stall_request', afterBytes: 0 },
  });
  await putAndAnnounce(world, ['a']);
  await system.until('the delete', async () => (sqs.faults.pending === 0 ? true : null));
  await system.service.kill();
  assert.equal(sqs.inspect(QUEUE).inFlight, 1);

  await system.restart();
  await assertAllArrived(world, ['a']);
  await sqs.polledBy(QUEUE, 1);
  clock.advance(31_000);
  await world.untilEmpty();
  assert.equal((await system.ended('a')).status, 'done');
  assert.equal(system.uploads().length, 1);
  assert.equal((await world.messageCounts())['accepted'], 1);
});

test('kill -9 again and again while messages come: everything arrives', async () => {
  await using world = await startSqsSystem({ settings: { SETTLE_GRACE_SEC: '1' } });
  const keys = names(150);
  const announced = putAndAnnounce(world, keys);
  for (const share of [0.2, 0.5, 0.8]) {
    await world.system.until('some copies', async () =>
      world.system.clouds.gcs.objects(TARGET_BUCKET).length >= share * keys.length ? true : null,
    );
    await world.system.service.kill();
    await world.system.restart();
  }
  await announced;
  await assertAllArrived(world, keys);
  await world.untilEmpty();
});

test('test events and foreign messages are acknowledged, malformed ones shown in the quarantine, and the rest goes on', async () => {
  await using world = await startSqsSystem();
  const { sqs, system } = world;
  const foreignBucket = JSON.stringify(notification(['k'])).replaceAll(SOURCE_BUCKET, 'another-bucket');
  const bodies = [
    JSON.stringify({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: SOURCE_BUCKET }),
    JSON.stringify({
      source: 'aws.ec2',
      'detail-type': 'EC2 Instance State-change Notification',
      detail: {},
    }),
    foreignBucket,
    'this is not JSON',
    JSON.stringify(notification(['k'])).replace('"key":"k"', '"key":"%zz"'),
  ];
  for (const body of bodies) sqs.send(QUEUE, body);
  await putAndAnnounce(world, ['good']);
  await assertAllArrived(world, ['good']);
  await world.untilEmpty();
  assert.deepEqual(await world.messageCounts(), {
    accepted: 1,
    ignored: 3,
    quarantined: 2,
    repeated: 0,
    returned: 0,
  });
  const { body } = await system.service.get('/v1/quarantine');
  const { records } = body as { records: { reason: string; raw: string }[] };
  assert.ok(
    records.some(({ raw }) => raw === 'this is not JSON'),
    JSON.stringify(records),
  );
  assert.equal(records.length, 2);
});

test('a queue that is missing at start and made later: told once, everything else works, then its messages arrive', async () => {
  await using world = await startSqsSystem({ isMissing: true });
  const { sqs, system } = world;
  await system.until('the trouble', async () => (await world.status()).trouble);
  const { trouble } = await world.status();
  assert.equal(trouble?.fault.code, 'queue_missing');
  assert.equal(logged(world, 'SQS: changes are received from this queue'), 0);
  const alive = await fetch(`${system.service.url}/readyz`);
  assert.equal(alive.status, 200);
  await system.clouds.s3.putObject(SOURCE_BUCKET, 'posted', 'bytes of posted');
  assert.equal((await system.service.post('/v1/events', notification(['posted']))).status, 202);
  await assertAllArrived(world, ['posted']);

  sqs.createQueue(QUEUE);
  await putAndAnnounce(world, ['queued']);
  await assertAllArrived(world, ['queued']);
  assert.equal((await world.status()).trouble, null);
  assert.equal(logged(world, 'SQS down'), 1);
  assert.equal(logged(world, 'SQS up again'), 1);
  assert.equal(logged(world, 'SQS: changes are received from this queue'), 1);
});

test('a permission that is missing is named, and its return is noticed', async () => {
  await using world = await startSqsSystem({ prepare: (sqs) => sqs.deny('ReceiveMessage') });
  const { trouble } = await world.system.until('the trouble', async () => {
    const status = await world.status();
    return status.trouble === null ? null : status;
  });
  assert.equal(trouble?.fault.code, 'queue_denied');
  assert.match(trouble?.fault.message ?? '', /sqs:ReceiveMessage is denied/);
  world.sqs.allow('ReceiveMessage');
  await putAndAnnounce(world, ['a']);
  await assertAllArrived(world, ['a']);
});

test('a wrong secret for the queue is told as such', async () => {
  await using world = await startSqsSystem({ settings: { AWS_SECRET_ACCESS_KEY: 'not-the-secret' } });
  const status = await world.system.until('the trouble', async () => {
    const now = await world.status();
    return now.trouble === null ? null : now;
  });
  assert.equal(status.trouble?.fault.code, 'credentials_invalid');
});

test('SIGTERM while many messages come: the exit is clean and soon, and the next start brings the rest', async () => {
  await using world = await startSqsSystem({ settings: { SHUTDOWN_GRACE_SEC: '5' } });
  const { sqs, system } = world;
  const keys = names(300);
  await putAndAnnounce(world, keys.slice(0, 150));
  const more = putAndAnnounce(world, keys.slice(150));
  await system.until('some copies', async () =>
    system.clouds.gcs.objects(TARGET_BUCKET).length > 50 ? true : null,
  );
  const beganMs = performance.now();
  assert.equal(await system.service.stop(), 0);
  assert.ok(performance.now() - beganMs < 15_000);
  await more;
  assert.equal(sqs.inspect(QUEUE).inFlight, 0, 'Everything that is left can be received at once');
  await system.restart();
  await assertAllArrived(world, keys);
  await world.untilEmpty();
});
