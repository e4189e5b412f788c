// `replicator doctor` as a process beside a real service: one object the whole way, and what a service says.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { post } from '../../sandbox/deliveries.ts';
import { createApiKey } from '../../src/config/api-keys.ts';
import { replicator } from './command-process.ts';
import { SOURCE_BUCKET, SystemUnderTest, TARGET_BUCKET } from './service-under-test.ts';
import { QUEUE, startSqsSystem } from './sqs-under-test.ts';

interface CheckJson {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
  readonly fix: string | null;
  readonly code: string | null;
}

async function examine(
  system: SystemUnderTest,
  args: readonly string[],
  more: Record<string, string> = {},
): Promise<{ readonly exitCode: unknown; readonly checks: readonly CheckJson[] }> {
  const env = { ...system.clouds.settings, REPLICATOR_URL: system.service.url, ...more };
  const { exitCode, out, err } = await replicator(system.folder, ['doctor', '--json', ...args], env);
  assert.notEqual(out, '', err);
  return { exitCode, checks: (JSON.parse(out) as { checks: CheckJson[] }).checks };
}

function named(checks: readonly CheckJson[], beginning: string): CheckJson | undefined {
  return checks.find(({ name }) => name.startsWith(beginning));
}

/** The function that S3 calls: it forwards to the service. */
const FUNCTION_ARN = 'arn:aws:lambda:us-east-1:123456789012:function:forward';

test('set up by the command, one object goes the whole way; everything is well, and nothing is left', async () => {
  await using system = await SystemUnderTest.start();
  const { s3, gcs, settings } = system.clouds;
  s3.setVersioning(SOURCE_BUCKET, 'enabled');
  s3.connect({
    defect: (_kind, arn) => (arn === FUNCTION_ARN ? null : 'There is no such function'),
    deliver: async (_kind, _arn, document, signal) =>
      post(
        `${system.service.url}/v1/events`,
        { headers: { 'content-type': 'application/json' }, body: JSON.stringify(document) },
        signal,
      ),
    putEvent: () => assert.fail('The event bus is off'),
  });
  const args = ['setup', 'notification', '--function', FUNCTION_ARN, '--apply'];
  const setup = await replicator(system.folder, args, settings);
  assert.equal(setup.exitCode, 0, setup.out + setup.err);
  const { exitCode, checks } = await examine(system, ['--canary']);
  assert.deepEqual(
    checks.filter(({ state }) => state === 'failed' || state === 'warning'),
    [],
  );
  assert.equal(exitCode, 0);
  assert.match(named(checks, 'notification')?.detail ?? '', /announced to the function .*:forward/);
  assert.equal(named(checks, 'service: key, writing')?.state, 'ok');
  assert.match(named(checks, 'whole way: arrival')?.detail ?? '', /size, CRC32C and stamp agree$/);
  assert.equal(named(checks, 'whole way: clean up')?.state, 'ok');
  assert.deepEqual(s3.listKeys(SOURCE_BUCKET), []);
  assert.deepEqual(gcs.objects(TARGET_BUCKET), []);
});

test('through a queue that is set up by the command, everything is well too', async () => {
  await using world = await startSqsSystem({
    prepare: (sqs) => {
      sqs.createQueue('dead');
      const redrive = { deadLetterTargetArn: sqs.queueArn('dead'), maxReceiveCount: 5 };
      sqs.createQueue(QUEUE, { RedrivePolicy: JSON.stringify(redrive) });
    },
  });
  const { system, sqs } = world;
  system.clouds.s3.connect({
    defect: (kind, arn) => (kind === 'Queue' && sqs.policyOf(arn) !== null ? null : 'There is no such queue'),
    deliver: async (_kind, arn, document) =>
      sqs.deliver(arn, JSON.stringify(document)) ? null : { reason: 'gone', status: null, isFinal: true },
    putEvent: () => assert.fail('The event bus is off'),
  });
  const queue = { AWS_ENDPOINT_URL_SQS: sqs.url, SQS_QUEUE_URL: sqs.queueUrl(QUEUE) };
  const settings = { ...system.clouds.settings, ...queue };
  const setup = await replicator(system.folder, ['setup', 'notification', '--apply'], settings);
  assert.equal(setup.exitCode, 0, setup.out + setup.err);
  // The test event that S3 sends then.
  await world.untilEmpty();
  const { exitCode, checks } = await examine(system, ['--canary'], queue);
  assert.deepEqual(
    checks.filter(({ state }) => state === 'failed' || state === 'warning'),
    [],
  );
  assert.equal(exitCode, 0);
  assert.match(named(checks, 'notification')?.detail ?? '', /to the queue that is polled/);
  assert.equal(named(checks, 'queue: receiving')?.state, 'ok');
  assert.match(named(checks, 'whole way: arrival')?.detail ?? '', /size, CRC32C and stamp agree$/);
  assert.deepEqual(system.clouds.gcs.objects(TARGET_BUCKET), []);
  assert.equal(sqs.inspect('dead').messages.length, 0);
});

test('an object whose notification never comes is told with what the service knows, and taken away', async () => {
  await using system = await SystemUnderTest.start();
  const { checks, exitCode } = await examine(system, ['--canary', '--wait', '1']);
  const arrival = named(checks, 'whole way: arrival');
  assert.deepEqual([exitCode, arrival?.state], [1, 'failed']);
  assert.match(
    arrival?.detail ?? '',
    /^gs:\/\/\S+ did not appear within 1 s; the service says: it was never told of this object$/,
  );
  assert.equal(named(checks, 'whole way: clean up')?.state, 'ok');
  assert.deepEqual(system.clouds.s3.listKeys(SOURCE_BUCKET), []);
});

test('an object that the service parks is told at once, with the fault and its remedy', async () => {
  await using system = await SystemUnderTest.start();
  const { s3 } = system.clouds;
  s3.setNotification(SOURCE_BUCKET, `${system.service.url}/v1/events`);
  s3.faults.add({
    match: { method: 'GET', path: '.replicator-doctor/' },
    // The first one is the doctor's, of a name that nobody has.
    skip: 1,
    effect: { kind: 'status', status: 403, body: '<Error><Code>InvalidObjectState</Code></Error>' },
    times: Infinity,
  });
  // The bucket shows no configuration: the sandbox delivers by a route of its own.
  const { checks } = await examine(system, ['--canary']);
  assert.match(
    named(checks, 'whole way: arrival')?.detail ?? '',
    /says: parked, object_archived: Restore it/,
  );
});

test('credentials that may not write to the source end the whole way before it begins', async () => {
  await using system = await SystemUnderTest.start();
  system.clouds.s3.faults.add({
    match: { method: 'PUT' },
    effect: { kind: 'status', status: 403, body: '<Error><Code>AccessDenied</Code></Error>' },
  });
  const { checks } = await examine(system, ['--canary']);
  const put = named(checks, 'whole way');
  assert.deepEqual([put?.state, put?.code], ['failed', 'access_denied']);
  assert.match(put?.detail ?? '', /^s3:PutObject on arn:aws:s3:::demo-source\/\* is denied/);
  assert.match(put?.fix ?? '', /The service itself never writes to the source.*replicate s3:/);
});

test('a key that the service does not know, and one of another scope, are told apart', async () => {
  const reader = createApiKey({ scope: 'read', id: 'reader', randomBytes: Buffer.alloc(32, 1) });
  await using system = await SystemUnderTest.start({
    REPLICATOR_API_KEYS: reader.entry,
    HOST: '127.0.0.1',
  });
  const unknown = await examine(system, [], { REPLICATOR_API_KEY: 'rpl_nobody_x' });
  const refused = named(unknown.checks, 'service: key');
  assert.deepEqual([refused?.state, refused?.code], ['failed', 'unauthorized']);
  assert.match(refused?.fix ?? '', /^Set REPLICATOR_API_KEY/);
  const reading = await examine(system, [], { REPLICATOR_API_KEY: reader.key });
  assert.equal(named(reading.checks, 'service: key, reading')?.state, 'ok');
  assert.deepEqual(
    [named(reading.checks, 'service: key, writing')?.state, named(reading.checks, 'service')?.state],
    ['warning', 'ok'],
  );
});

test('an object that two rules cover is taken away wherever it was copied to', async () => {
  const rules = `rules:
  - name: all
    source: { bucket: ${SOURCE_BUCKET} }
    target: { bucket: ${TARGET_BUCKET}, prefix: all/ }
  - name: photos
    source: { bucket: ${SOURCE_BUCKET}, prefix: photos/ }
    target: { bucket: ${TARGET_BUCKET}, prefix: some/, stripPrefix: photos/ }
`;
  const folder = await mkdtemp(join(tmpdir(), 'replicator-rules-'));
  const REPLICATOR_CONFIG = join(folder, 'rules.yaml');
  await writeFile(REPLICATOR_CONFIG, rules);
  const settings = { REPLICATOR_CONFIG, S3_BUCKET: '', GCS_BUCKET: '' };
  await using system = await SystemUnderTest.start(settings);
  const { s3, gcs } = system.clouds;
  s3.setNotification(SOURCE_BUCKET, `${system.service.url}/v1/events`);
  const { checks } = await examine(system, ['--canary'], settings);
  const arrivals = checks.filter(({ name }) => name.startsWith('whole way: arrival'));
  assert.deepEqual(
    arrivals.map(({ state }) => state),
    ['ok', 'ok'],
    JSON.stringify(arrivals),
  );
  assert.match(
    arrivals[1]?.detail ?? '',
    /^at gs:\/\/demo-target\/all\/photos\/\S+ and gs:\/\/demo-target\/some\/\S+/,
  );
  assert.deepEqual(gcs.objects(TARGET_BUCKET), []);
  await rm(folder, { recursive: true });
});
