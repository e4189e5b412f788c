// The machine under the service: clocks that jump, a process that stands still, too few connections, too little memory,
// keys that are changed, and objects that take longer than anything lives.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SandboxServer } from '../../sandbox/http-server.ts';
import { SANDBOX_KEYS } from '../../sandbox/two-clouds.ts';
import { cachedCredentials } from '../../src/aws/credentials.ts';
import { SYSTEM_CLOCK } from '../../src/system-clock.ts';
import {
  BLOCK_BYTES,
  MAX_ATTEMPTS,
  notification,
  patternBytes,
  Pipeline,
  SOURCE_BUCKET,
} from './pipeline.ts';

const HOUR_MS = 3_600_000;
const LARGE = patternBytes(4 * BLOCK_BYTES + 5);
const GET = { method: 'GET', path: `/${SOURCE_BUCKET}/k` };

/** The most requests of at least `leastBytes` that a server worked on at the same time so far. */
function watchPeak(server: SandboxServer, leastBytes = 0): () => number {
  let running = 0;
  let peak = 0;
  server.watch(({ stage, headers }) => {
    if (Number(headers['content-length'] ?? 0) < leastBytes) return;
    if (stage === 'arrived') running += 1;
    if (stage === 'answered') running -= 1;
    peak = Math.max(peak, running);
  });
  return () => peak;
}

test('a wall clock that jumps an hour to and fro in the middle of a copy ends no lease and no copy', async () => {
  for (const jumpMs of [HOUR_MS, -HOUR_MS]) {
    let offsetMs = 0;
    await using pipeline = await Pipeline.open({
      time: { nowMs: () => Date.now() + offsetMs },
      leaseMs: 60_000,
    });
    await pipeline.s3.putObject(SOURCE_BUCKET, 'k', LARGE);
    pipeline.s3.faults.add({ match: GET, effect: { kind: 'cut_response', afterBytes: BLOCK_BYTES } });
    const jump = (): void => void (offsetMs = jumpMs);
    pipeline.s3.faults.add({
      match: { ...GET, header: { name: 'range', contains: 'bytes=' } },
      effect: { kind: 'meanwhile', run: jump },
    });
    await pipeline.assertReplicates('k');
    pipeline.assertAllHappened();
    // The next signature is an hour off until the store's answer puts it right.
    await pipeline.s3.putObject(SOURCE_BUCKET, 'k', 'two');
    await pipeline.assertReplicates('k');
    assert.deepEqual(pipeline.retriedFaults(), []);
    assert.ok(!pipeline.told.some(({ name }) => name === 'leaseLost'));
  }
});

test('a process that stands still for longer than a lease leaves its attempt, takes the row over, and looks again', async () => {
  let stoodMs = 0;
  await using pipeline = await Pipeline.open({
    time: { monotonicMs: () => performance.now() + stoodMs },
    leaseMs: 60_000,
  });
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', LARGE);
  pipeline.s3.faults.add({
    match: GET,
    effect: { kind: 'meanwhile', run: () => void (stoodMs += 200_000) },
  });
  const transfer = await pipeline.replicate('k');
  assert.equal(transfer.status, 'done');
  pipeline.assertEqual('k');
  pipeline.assertAllHappened();
  assert.ok(pipeline.told.some(({ name }) => name === 'leaseLost'));
  const statuses = pipeline.told
    .filter(({ name }) => name === 'transferFinished')
    .map(({ event }) => event['status']);
  assert.deepEqual(statuses, ['settling', 'done']);
});

test('a pool of two connections carries many transfers: they wait for one, and all arrive', async () => {
  await using pipeline = await Pipeline.open({
    source: { connections: 2 },
    target: { connections: 2 },
    maxConcurrency: 20,
  });
  const peaks = [watchPeak(pipeline.s3), watchPeak(pipeline.gcs)];
  for (const { faults } of [pipeline.s3, pipeline.gcs])
    faults.add({ match: {}, effect: { kind: 'latency', ms: 3 }, times: Infinity });
  const keys = Array.from({ length: 30 }, (_, index) => `object-${index}`);
  for (const key of keys) await pipeline.s3.putObject(SOURCE_BUCKET, key, `bytes of ${key}`);
  await pipeline.take(notification(keys));
  await pipeline.atRest();
  for (const key of keys) pipeline.assertEqual(key);
  for (const peak of peaks) assert.ok(peak() <= 2, `${peak()} at once`);
});

test('hundreds of transfers at once hold no more bytes than the budget allows, and all arrive', async () => {
  await using pipeline = await Pipeline.open({
    maxConcurrency: 1_000,
    memoryBytes: 4 * BLOCK_BYTES,
    source: { connections: 50 },
    target: { connections: 50 },
  });
  // A write is on its way only while its bytes are paid for.
  const peak = watchPeak(pipeline.gcs, BLOCK_BYTES);
  const bytes = patternBytes(BLOCK_BYTES);
  const keys = Array.from({ length: 400 }, (_, index) => `object-${index}`);
  for (const [index, key] of keys.entries())
    await pipeline.s3.putObject(SOURCE_BUCKET, key, index % 20 === 0 ? bytes : `small ${index}`);
  await pipeline.take(notification(keys));
  await pipeline.atRest();
  for (const key of keys) pipeline.assertEqual(key);
  assert.ok(peak() >= 1 && peak() <= 4, `${peak()} writes of a block at once`);
});

test('a key that is rotated away while transfers run is replaced by its successor within the attempt', async () => {
  const loaded: string[] = [];
  const credentials = cachedCredentials(async () => {
    loaded.push('load');
    return loaded.length === 1 ? { ...SANDBOX_KEYS, accessKeyId: 'AKIDROTATEDAWAY' } : { ...SANDBOX_KEYS };
  }, SYSTEM_CLOCK);
  await using pipeline = await Pipeline.open({ source: { credentials } });
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', LARGE);
  await pipeline.assertReplicates('k');
  assert.deepEqual([loaded.length, pipeline.retriedFaults()], [2, []]);
});

test('an upload that takes longer than its session lives begins again in a new one and arrives', async () => {
  let aheadMs = 0;
  await using pipeline = await Pipeline.open({ targetCloud: { targetNowMs: () => Date.now() + aheadMs } });
  await pipeline.s3.putObject(SOURCE_BUCKET, 'k', LARGE);
  // Each day one more block, as from a source that is cut all the time.
  for (let day = 1; day <= 8; day += 1) {
    pipeline.s3.faults.add({ match: GET, effect: { kind: 'cut_response', afterBytes: BLOCK_BYTES / 2 } });
  }
  pipeline.gcs.faults.add({
    match: { method: 'PUT', header: { name: 'content-range', contains: 'bytes */*' } },
    effect: { kind: 'meanwhile', run: () => void (aheadMs = 8 * 24 * HOUR_MS) },
  });
  const transfer = await pipeline.replicate('k');
  assert.equal(transfer.outcome, 'replicated');
  pipeline.assertEqual('k');
  assert.equal(pipeline.retriedFaults()[0], 'upload_session_lost');
  assert.ok(pipeline.retriedFaults().length < MAX_ATTEMPTS);
});
