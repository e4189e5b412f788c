// The contract's part on stored uploads: kept for the next attempt, forgotten where none came for long.
import assert from 'node:assert/strict';
import type { ManualClock } from './manual-clock.ts';
import type { ClaimedTransfer, TransferQueue } from '../../src/core/transfer-queue.ts';
import {
  acceptOne,
  checkpointOf,
  claimOne,
  parkWith,
  type Promised,
  retryIn,
  roomFor,
  show,
} from './transfer-queue-samples.ts';

const DAY_MS = 86_400_000;

/** Registers the tests. */
export function storedUploadTests(promised: Promised): void {
  promised(
    'a stored upload of a parked transfer is forgotten once, after it rested',
    async (queue, clock) => {
      const { lease } = await withUpload(queue, 'a');
      await queue.park(lease, parkWith('access_denied'));
      assert.deepEqual(await forgetOlderThan(queue, clock, DAY_MS), []);
      clock.advance(DAY_MS + 1);
      assert.deepEqual(await forgetOlderThan(queue, clock, DAY_MS), [
        { transferId: lease.transferId, checkpoint: checkpointOf(40) },
      ]);
      assert.deepEqual(await forgetOlderThan(queue, clock, DAY_MS), []);
      const shown = await show(queue, lease.transferId);
      assert.deepEqual([shown.status, shown.bytesDone], ['parked', 0]);
      await queue.redrive(lease.transferId);
      assert.equal((await claimOne(queue)).checkpoint, null);
    },
  );

  promised('a transfer that is tried, or changed, keeps its stored upload', async (queue, clock) => {
    const { lease } = await withUpload(queue, 'tried');
    await queue.retry(lease, retryIn(0));
    clock.advance(DAY_MS);
    const again = await claimOne(queue);
    await queue.retry(again.lease, retryIn(2 * DAY_MS));
    assert.deepEqual(await forgetOlderThan(queue, clock, DAY_MS), []);
    clock.advance(DAY_MS + 1);
    await acceptOne(queue, 'tried', { sizeBytes: 100 });
    assert.deepEqual(await forgetOlderThan(queue, clock, DAY_MS), [], 'the change is one that nobody knew');
    clock.advance(DAY_MS + 1);
    assert.equal((await forgetOlderThan(queue, clock, DAY_MS)).length, 1);
  });

  promised('a stored upload that an attempt has is not forgotten', async (queue, clock) => {
    const { lease } = await withUpload(queue, 'a');
    await queue.retry(lease, retryIn(DAY_MS));
    clock.advance(2 * DAY_MS);
    const { checkpoint, lease: running } = await claimOne(queue);
    assert.deepEqual(checkpoint, checkpointOf(40));
    clock.advance(1_000);
    assert.deepEqual(await forgetOlderThan(queue, clock, 0), [], 'claimed a moment before');
    await queue.retry(running, retryIn(0));
    assert.deepEqual((await claimOne(queue)).checkpoint, checkpointOf(40));
  });

  promised(
    'stored uploads are forgotten a step at a time, the longest untouched first',
    async (queue, clock) => {
      for (const key of ['a', 'b', 'c']) {
        const { lease } = await withUpload(queue, key);
        await queue.park(lease, parkWith('bug'));
        clock.advance(1_000);
      }
      await acceptOne(queue, 'without');
      const keys: string[][] = [];
      for (let step = 0; step < 3; step += 1) {
        const forgotten = await queue.forgetStaleUploads({ beforeMs: clock.nowMs(), limit: 2 });
        const transfers = await Promise.all(forgotten.map(({ transferId }) => show(queue, transferId)));
        keys.push(transfers.map(({ source }) => source.key));
      }
      assert.deepEqual(keys, [['a', 'b'], ['c'], []]);
      await assert.rejects(queue.forgetStaleUploads({ beforeMs: 0, limit: 0 }), RangeError);
    },
  );

  promised('a stored upload stays with the row whatever waits, and goes with its end', async (queue) => {
    const { lease } = await withUpload(queue, 'a');
    await acceptOne(queue, 'a');
    await queue.retry(lease, retryIn(0));
    const followUp = await claimOne(queue);
    assert.deepEqual(followUp.checkpoint, checkpointOf(40), 'also under the id of the follow-up');
    await queue.finish(followUp.lease, { outcome: 'source_gone', receipt: null, owed: false });
    await acceptOne(queue, 'a');
    assert.equal((await claimOne(queue)).checkpoint, null);
  });
}

/** A claimed transfer that has noted how far its upload is. */
async function withUpload(queue: TransferQueue, key: string): Promise<ClaimedTransfer> {
  await acceptOne(queue, key);
  const [claimed] = await queue.claim(roomFor(1));
  assert(claimed !== undefined);
  await queue.progress(claimed.lease, { bytesDone: 40, sizeBytes: 100, checkpoint: checkpointOf(40) });
  return claimed;
}

function forgetOlderThan(
  queue: TransferQueue,
  clock: ManualClock,
  ageMs: number,
): ReturnType<TransferQueue['forgetStaleUploads']> {
  return queue.forgetStaleUploads({ beforeMs: clock.nowMs() - ageMs, limit: 10 });
}
