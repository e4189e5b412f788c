// The memory queue under the contract, and what it keeps that a disk would not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMemoryQueue } from '../../src/queues/memory/memory-queue.ts';
import { ManualClock } from './manual-clock.ts';
import {
  acceptOne,
  checkpointOf,
  claimOne,
  GRACE_MS,
  LEASE_MS,
  retryIn,
  SMALL_MAX_BYTES,
} from './transfer-queue-samples.ts';
import { transferQueueContract } from './transfer-queue.contract.ts';

function openQueue(clock: ManualClock): ReturnType<typeof openMemoryQueue> {
  let lastId = 0;
  const newId = (): string => `id-${(lastId += 1)}`;
  return openMemoryQueue({
    clock,
    leaseMs: LEASE_MS,
    settleGraceMs: GRACE_MS,
    smallMaxBytes: SMALL_MAX_BYTES,
    newId,
  });
}

transferQueueContract('memory', async (clock) => openQueue(clock));

test('a checkpoint stays with the row through retry and expiry, and goes with its end', async () => {
  const clock = new ManualClock();
  const queue = openQueue(clock);
  await acceptOne(queue, 'a');
  const { lease, checkpoint } = await claimOne(queue);
  assert.equal(checkpoint, null);
  await queue.progress(lease, { bytesDone: 40, sizeBytes: 100, checkpoint: checkpointOf(40) });
  await queue.retry(lease, retryIn(0));
  assert.deepEqual((await claimOne(queue)).checkpoint, checkpointOf(40));
  clock.advance(LEASE_MS);
  const taken = await claimOne(queue);
  assert.deepEqual(taken.checkpoint, checkpointOf(40));
  await queue.progress(taken.lease, { bytesDone: 0, sizeBytes: 100, checkpoint: null });
  await queue.retry(taken.lease, retryIn(0));
  assert.equal((await claimOne(queue)).checkpoint, null, 'a null checkpoint forgets the stored one');
});
