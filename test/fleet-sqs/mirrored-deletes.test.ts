// Workers without a database of their own, which share one only for the brake: deletes are mirrored up to its limit, and
// what it holds waits in the queue for a person.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CHANGES_QUEUE,
  SANDBOX_ACCOUNT_ID,
  SOURCE_BUCKET,
  startTwoClouds,
  TARGET_BUCKET,
} from '../../sandbox/two-clouds.ts';
import { startPostgresServer } from '../postgres-server.ts';
import { WorkerProcess } from './worker-process.ts';
import { openSharedQueue } from '../contract/open-shared-queue.ts';

const LONGEST_WAIT_MS = 60_000;
const KEYS = Array.from({ length: 6 }, (_, place) => `object-${place}`);

async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + LONGEST_WAIT_MS;
  while (!isSo()) {
    assert.ok(performance.now() < deadlineMs, `${what}: not within ${LONGEST_WAIT_MS} ms`);
    await sleep(50);
  }
}

/** A service makes the tables; the workers only use them. */
async function schemaWithTables(server: Awaited<ReturnType<typeof startPostgresServer>>): Promise<string> {
  const url = await server.newSchema();
  const service = await openSharedQueue(url);
  await service.close();
  return url;
}

test('two workers mirror deletes together up to the limit that they share, and hold the others', async (context) => {
  const server = await startPostgresServer();
  context.after(() => server.close());
  const clouds = await startTwoClouds({ s3: 0, gcs: 0, through: 'sqs' });
  context.after(() => clouds.close());
  const folder = await mkdtemp(join(tmpdir(), 'replicator-mirror-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  const lines: string[] = [];
  const settings = {
    ...clouds.settings,
    DATABASE_URL: await schemaWithTables(server),
    DELETES: 'mirror',
    S3_EXPECTED_OWNER: SANDBOX_ACCOUNT_ID,
    DELETE_BRAKE_COUNT: '4',
    DELETE_BRAKE_SHARE: '100',
    SQS_VISIBILITY_SEC: '12',
    SETTLE_GRACE_SEC: '2',
    LOG_FORMAT: 'json',
  };
  const onDied = (why: string): void => assert.fail(why);
  const onLog = (line: string): void => void lines.push(line);
  const workers = [0, 1].map(() => new WorkerProcess({ settings, folder, onLog, onDied }));
  context.after(async () => void (await Promise.all(workers.map((worker) => worker.stop()))));
  await Promise.all(workers.map((worker) => worker.start()));

  const present = (): string[] => KEYS.filter((key) => clouds.gcs.getObject(TARGET_BUCKET, key) !== null);
  const waiting = (): number => {
    const { visible, inFlight, delayed } = clouds.sqs.inspect(CHANGES_QUEUE);
    return visible + inFlight + delayed;
  };
  for (const key of KEYS) await clouds.s3.putObject(SOURCE_BUCKET, key, key);
  // Only then: a copy that still runs when its object goes may delete it beside the delete's own message, and the brake
  // counts both.
  await until('the objects are there, and nothing is left to do', () => {
    return present().length === KEYS.length && waiting() === 0;
  });
  for (const key of KEYS) clouds.s3.deleteObject(SOURCE_BUCKET, key);
  await until('four are deleted and two held', () => {
    const held = lines.filter(
      (line) => line.includes('"delete_brake"') && line.includes('stays in the queue'),
    );
    return present().length === 2 && held.length >= 2;
  });
  // Those two are still in the queue, and nothing else is.
  await until('two messages are left', () => waiting() === 2);
  assert.equal(present().length, 2);
  assert.equal(lines.filter((line) => line.includes('delete brake tripped')).length, 1);
});
