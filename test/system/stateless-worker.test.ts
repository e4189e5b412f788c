// `replicator worker --from sqs` as a process: what it refuses to start with, what it tells, and how it ends.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CHANGES_QUEUE,
  SOURCE_BUCKET,
  startTwoClouds,
  TARGET_BUCKET,
  type TwoClouds,
} from '../../sandbox/two-clouds.ts';
import { WorkerProcess } from '../fleet-sqs/worker-process.ts';

const COMMAND = join(import.meta.dirname, '../../src/main/cli.ts');
const LONGEST_WAIT_MS = 60_000;
let clouds: TwoClouds;
let folder: string;

before(async () => {
  clouds = await startTwoClouds({ s3: 0, gcs: 0, through: 'sqs' });
  folder = await mkdtemp(join(tmpdir(), 'replicator-worker-'));
});

after(async () => {
  await clouds.close();
  await rm(folder, { recursive: true, force: true });
});

/** A worker that ends by itself: its exit code, and all that it said. */
async function refused(settings: Record<string, string>): Promise<{ code: number | null; said: string }> {
  const child = spawn(process.execPath, [COMMAND, 'worker', '--from', 'sqs'], {
    cwd: folder,
    env: { PATH: process.env['PATH'], LOG_FORMAT: 'json', ...clouds.settings, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said };
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + LONGEST_WAIT_MS;
  while (!(await isSo())) {
    assert.ok(performance.now() < deadlineMs, `${what}: not within ${LONGEST_WAIT_MS} ms`);
    await sleep(20);
  }
}

function worker(context: { after(run: () => Promise<void>): void }, settings: Record<string, string> = {}) {
  const lines: string[] = [];
  const started = new WorkerProcess({
    settings: { ...clouds.settings, LOG_FORMAT: 'json', SQS_VISIBILITY_SEC: '12', ...settings },
    folder,
    onLog: (line) => void lines.push(line),
    onDied: (why) => assert.fail(why),
  });
  context.after(async () => void (await started.stop()));
  return { started, lines };
}

for (const [what, settings, code, words] of [
  ['no queue', { SQS_QUEUE_URL: '' }, 2, /SQS_QUEUE_URL[\s\S]*is not set/],
  [
    'a FIFO queue',
    { SQS_QUEUE_URL: 'https://sqs.us-east-1.amazonaws.com/123456789012/changes.fifo' },
    2,
    /SQS_QUEUE_URL[\s\S]*FIFO queue[\s\S]*use a standard queue/,
  ],
  [
    'mirrored deletes without a database',
    { DELETES: 'mirror', S3_EXPECTED_OWNER: '123456789012' },
    2,
    /DELETES[\s\S]*need a database[\s\S]*DATABASE_URL/,
  ],
  [
    'a queue that does not exist',
    { SQS_QUEUE_URL: 'http://127.0.0.1/123456789012/nothing-here' },
    1,
    /The worker cannot run: .*nothing-here/,
  ],
] as const) {
  test(`it does not start with ${what}, and says what to do`, async () => {
    const end = await refused(settings);
    assert.equal(end.code, code, end.said);
    assert.match(end.said, words);
  });
}

test('it warns of a queue without a dead-letter policy', async (context) => {
  clouds.sqs.createQueue('no-policy');
  const { started, lines } = worker(context, { SQS_QUEUE_URL: clouds.sqs.queueUrl('no-policy') });
  await started.start();
  assert.ok(lines.some((line) => line.includes('no dead-letter policy')));
});

test('health and metrics are told where a port is given', async (context) => {
  const { started, lines } = worker(context, { PORT: '0' });
  await started.start();
  const ready = lines.find((line) => line.includes('"ready: '));
  const { url } = JSON.parse(ready ?? '{}') as { url: string };
  await clouds.s3.putObject(SOURCE_BUCKET, 'seen by metrics', 'hello');
  await until('the object is there', () => clouds.gcs.getObject(TARGET_BUCKET, 'seen by metrics') !== null);
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  assert.equal((await fetch(`${url}/readyz`)).status, 200);
  await until('the transfer is counted', async () =>
    /replicator_transfers_total\{outcome="replicated",fault=""\} 1/.test(
      await (await fetch(`${url}/metrics`)).text(),
    ),
  );
  const text = await (await fetch(`${url}/metrics`)).text();
  for (const name of ['replicator_sqs_up 1', 'replicator_sqs_messages_in_hand', 'replicator_store_up'])
    assert.ok(text.includes(name), name);
});

test('SIGTERM in the middle of an object gives its message back at once and ends with 0', async (context) => {
  const { started, lines } = worker(context, { SHUTDOWN_GRACE_SEC: '0', CHUNK_SIZE_BYTES: '262144' });
  await started.start();
  // Nothing is answered while the bytes come.
  let isMoving = false;
  clouds.gcs.watch(({ stage, rawUrl }) => {
    isMoving ||= stage === 'arrived' && rawUrl.includes('upload_id');
  });
  await clouds.s3.putSyntheticObject(SOURCE_BUCKET, 'huge', {
    sizeBytes: 2 ** 33,
    seed: 1,
    checksums: false,
  });
  await until('bytes move', () => isMoving);
  assert.equal(await started.stop(), 0, lines.slice(-5).join('\n'));
  assert.ok(lines.some((line) => line.includes('given back to the queue: the process stops')));
  const { visible, inFlight } = clouds.sqs.inspect(CHANGES_QUEUE);
  assert.deepEqual({ visible, inFlight }, { visible: 1, inFlight: 0 });
});
