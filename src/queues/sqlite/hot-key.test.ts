// One key that changes all the time: what it writes is bounded by the attempts, not by the changes.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ManualClock } from '../../../test/contract/manual-clock.ts';
import { withTemporaryFolder } from '../../../test/contract/temporary-folder.ts';
import {
  acceptOne,
  claimOne,
  GRACE_MS,
  itemOf,
  LEASE_MS,
  receiptOf,
  SMALL_MAX_BYTES,
} from '../../../test/contract/transfer-queue-samples.ts';
import type { TransferQueue } from '../../core/transfer-queue.ts';
import { openSqliteQueue } from './sqlite-queue.ts';

const CHANGES = 100;

async function withQueue(
  body: (queue: TransferQueue, clock: ManualClock, writtenBytes: () => number) => Promise<void>,
): Promise<void> {
  await withTemporaryFolder(async (directory) => {
    const clock = new ManualClock();
    const path = join(directory, 'queue.sqlite');
    const queue = await openSqliteQueue({
      path,
      clock,
      leaseMs: LEASE_MS,
      settleGraceMs: GRACE_MS,
      smallMaxBytes: SMALL_MAX_BYTES,
      maxRetryDelayMs: 300_000,
      sealer: null,
    });
    await body(queue, clock, () => statSync(`${path}-wal`).size);
    await queue.close();
  });
}

test('changes that a waiting transfer or a follow-up stands for already write nothing', async () => {
  await withQueue(async (queue, clock, writtenBytes) => {
    await acceptOne(queue, 'hot');
    for (const status of ['queued', 'copying'] as const) {
      if (status === 'copying') {
        await claimOne(queue);
        await acceptOne(queue, 'hot');
      }
      const before = writtenBytes();
      for (let change = 0; change < CHANGES; change += 1) {
        clock.advance(10);
        const { joined } = await acceptOne(queue, 'hot', { occurredAtMs: clock.nowMs() });
        assert.equal(joined, true);
      }
      assert.equal(writtenBytes(), before, status);
    }
  });
});

test('a key that changes a hundred times within each attempt leaves one finished transfer for each attempt', async () => {
  await withQueue(async (queue, clock) => {
    const attempts = 20;
    const { transferId } = await acceptOne(queue, 'hot');
    let lastId = transferId;
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const { lease } = await claimOne(queue);
      assert.equal(lease.transferId, lastId);
      for (let change = 0; change < CHANGES; change += 10) {
        clock.advance(100);
        const items = Array.from({ length: 10 }, (_, at) => itemOf('hot', { sizeBytes: change + at }));
        const answers = await queue.accept({ items, quarantine: [] });
        lastId = answers.at(-1)?.transferId ?? '';
      }
      await queue.finish(lease, { outcome: 'replicated', receipt: receiptOf(String(attempt)), owed: false });
    }
    const { transfers } = await queue.list({ filter: {}, cursor: null, limit: 1_000 });
    assert.equal(transfers.length, attempts + 1);
    assert.equal(transfers[0]?.sizeBytes, CHANGES - 1, 'the last change is the one that waits');
  });
});
