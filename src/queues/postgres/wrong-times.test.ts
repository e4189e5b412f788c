// A server whose clock was set back, or another one that took over with another clock: nothing waits for hours.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openSharedQueue } from '../../../test/contract/open-shared-queue.ts';
import {
  acceptOne,
  claimOne,
  GRACE_MS,
  LEASE_MS,
  REPLICATED,
  retryIn,
  roomFor,
  show,
} from '../../../test/contract/transfer-queue-samples.ts';
import { onPostgres } from '../../../test/postgres-server.ts';

onPostgres((server) => {
  const DAY_MS = 86_400_000;

  test('rows that are due too late, because the clock of the server was set back, are pulled in; others stay', async () => {
    const url = await server.newSchema();
    const queue = await openSharedQueue(url);
    for (const key of ['queued', 'settling', 'copying', 'soon']) await acceptOne(queue, key);
    const claimed = await queue.claim(roomFor(10));
    const leaseOf = (key: string) => {
      const found = claimed.find(({ source }) => source.key === key);
      assert(found !== undefined);
      return found.lease;
    };
    await queue.retry(leaseOf('queued'), retryIn(1_000));
    await queue.finish(leaseOf('settling'), { ...REPLICATED, owed: true });
    await queue.retry(leaseOf('soon'), retryIn(60_000));
    // As if everything but the last had been written a day later.
    await server.run(
      `UPDATE replicator_transfers SET wake_at = wake_at + ${DAY_MS} WHERE source_key <> 'soon'`,
      url,
    );
    const other = await openSharedQueue(url);
    const dueInMs = async (key: string): Promise<number> => {
      const [row] = await server.run(
        `SELECT (wake_at - replicator_now_ms())::int AS due FROM replicator_transfers WHERE source_key = '${key}'`,
        url,
      );
      return Number(row?.['due']);
    };
    while ((await dueInMs('settling')) > GRACE_MS) await new Promise(setImmediate);
    assert((await dueInMs('queued')) <= 300_000);
    assert((await dueInMs('copying')) <= LEASE_MS);
    assert((await dueInMs('settling')) > GRACE_MS - 30_000, 'the whole grace counts again');
    const soonMs = await dueInMs('soon');
    assert(soonMs > 30_000 && soonMs <= 60_000, String(soonMs));
    await Promise.all([queue.close(), other.close()]);
  });

  test('a server whose clock runs ahead makes looks earlier, and an attempt that is still under way stays fenced', async () => {
    const url = await server.newSchema();
    const queue = await openSharedQueue(url);
    const { transferId } = await acceptOne(queue, 'a');
    const { lease } = await claimOne(queue);
    await server.run(`UPDATE replicator_transfers SET wake_at = wake_at - ${DAY_MS}`, url);
    const taken = await claimOne(queue);
    assert.equal(taken.isOwed, true);
    assert.deepEqual(await queue.finish(lease, REPLICATED), { kind: 'lease_lost' });
    assert.deepEqual(await queue.finish(taken.lease, REPLICATED), { kind: 'finished', status: 'settling' });
    assert.equal((await show(queue, transferId)).outcome, 'replicated');
    await queue.close();
  });
});
