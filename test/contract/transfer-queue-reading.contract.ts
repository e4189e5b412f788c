// The contract's part on reading: listings, counts, waking, telling, pruning, closing.
import assert from 'node:assert/strict';
import type { TransferFilter, TransferQueue } from '../../src/core/transfer-queue.ts';
import {
  acceptOne,
  claimOne,
  CURRENT,
  GRACE_MS,
  itemOf,
  LEASE_MS,
  parkWith,
  type Promised,
  REPLICATED,
  retryIn,
  roomFor,
} from './transfer-queue-samples.ts';

/** Registers the tests. */
export function readingTests(promised: Promised): void {
  promised('the listing is newest first, page by page, without gap or repetition', async (queue, clock) => {
    for (const key of ['a', 'b', 'c', 'd', 'e']) {
      await acceptOne(queue, key);
      clock.advance(1);
    }
    const pages: string[][] = [];
    let cursor: string | null = null;
    do {
      const page = await queue.list({ filter: {}, cursor, limit: 2 });
      pages.push(page.transfers.map(({ source }) => source.key));
      cursor = page.nextCursor;
      // What begins meanwhile belongs to a first page, not to a later one.
      await acceptOne(queue, `new-${pages.length}`);
    } while (cursor !== null);
    assert.deepEqual(pages, [['e', 'd'], ['c', 'b'], ['a']]);
    await assert.rejects(queue.list({ filter: {}, cursor: 'no cursor', limit: 2 }), RangeError);
    await assert.rejects(queue.list({ filter: {}, cursor: null, limit: 0 }), RangeError);
  });

  promised('filters combine', async (queue) => {
    await queue.accept({
      items: [
        itemOf('in/1'),
        itemOf('in/2', { bucket: 'other' }),
        itemOf('in/3', { rule: 'two' }),
        itemOf('in_4'),
        itemOf('IN/5'),
        itemOf('in/%6'),
        itemOf('in/%_\u0000é'),
        itemOf('in/%_\u0000e'),
      ],
      quarantine: [],
    });
    for (const { lease, source } of await queue.claim(roomFor(3))) {
      if (source.key === 'in/1') await queue.finish(lease, REPLICATED);
      else await queue.park(lease, parkWith(source.key === 'in/2' ? 'access_denied' : 'too_large'));
    }
    const expect = async (filter: TransferFilter, keys: readonly string[]): Promise<void> => {
      assert.deepEqual(await keysOf(queue, filter), keys, JSON.stringify(filter));
    };
    await expect({ status: 'parked' }, ['in/3', 'in/2']);
    await expect({ status: 'done' }, ['in/1']);
    await expect({ status: 'copying' }, []);
    await expect({ ruleName: 'two' }, ['in/3']);
    await expect({ faultCode: 'access_denied' }, ['in/2']);
    await expect({ faultCode: 'access_denied', ruleName: 'two' }, []);
    await expect({ faultCode: 'too_large', status: 'parked', ruleName: 'two', bucket: 'source' }, ['in/3']);
    await expect({ bucket: 'other' }, ['in/2']);
    await expect({ bucket: 'source', key: 'in/1' }, ['in/1']);
    await expect({ bucket: 'other', key: 'in/1' }, []);
    await expect({ key: 'in/2' }, ['in/2']);
    await expect({ keyPrefix: 'in/', bucket: 'source', status: 'queued' }, [
      'in/%_\u0000e',
      'in/%_\u0000é',
      'in/%6',
    ]);
    await expect({ keyPrefix: 'in/%_' }, ['in/%_\u0000e', 'in/%_\u0000é']);
    await expect({ keyPrefix: 'in/%_\u0000é' }, ['in/%_\u0000é']);
    await expect({ keyPrefix: '' }, (await keysOf(queue, {})).slice());
  });

  promised('every transfer of a key is listed, newest first', async (queue) => {
    const ids: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      ids.unshift((await acceptOne(queue, 'a')).transferId);
      await acceptOne(queue, 'b');
      for (const { lease } of await queue.claim(roomFor(10))) await queue.finish(lease, CURRENT);
    }
    const { transfers } = await queue.list({
      filter: { bucket: 'source', key: 'a' },
      cursor: null,
      limit: 9,
    });
    assert.deepEqual(
      transfers.map(({ id }) => id),
      ids,
    );
  });

  promised('the counts and the oldest pending change follow every step', async (queue, clock) => {
    const expect = async (
      expected: Partial<Record<'queued' | 'copying' | 'settling' | 'parked', number>>,
      oldest: number | null,
    ): Promise<void> => {
      const { byStatus, oldestPendingChangeAtMs } = await queue.counts();
      assert.deepEqual(byStatus, { queued: 0, copying: 0, settling: 0, parked: 0, ...expected });
      assert.equal(oldestPendingChangeAtMs, oldest);
    };
    await expect({}, null);
    await acceptOne(queue, 'a', { occurredAtMs: 300 });
    await acceptOne(queue, 'b', { occurredAtMs: 200 });
    await expect({ queued: 2 }, 200);
    const [a, b] = await queue.claim(roomFor(10));
    assert(a !== undefined && b !== undefined);
    await expect({ copying: 2 }, 200);
    await queue.finish(b.lease, REPLICATED);
    await expect({ copying: 1 }, 300);
    await acceptOne(queue, 'a', { occurredAtMs: 250 });
    await expect({ copying: 1 }, 250);
    await queue.finish(a.lease, { ...REPLICATED, owed: true });
    await expect({ queued: 1 }, 250);
    await queue.finish((await claimOne(queue)).lease, CURRENT);
    await expect({ settling: 1 }, 250);
    clock.advance(GRACE_MS);
    await queue.park((await claimOne(queue)).lease, parkWith('bug'));
    // Parked work waits for a person; it has a count of its own.
    await expect({ parked: 1 }, null);
  });

  promised('changes handed in before the question count as pending', async (queue) => {
    const accepting = acceptOne(queue, 'a', { occurredAtMs: 10 });
    const counts = await queue.counts();
    assert.deepEqual([counts.byStatus.queued, counts.oldestPendingChangeAtMs], [1, 10]);
    await accepting;
  });

  promised(
    'untilNextDueMs tells of queued, settling and leased rows, the earliest first',
    async (queue, clock) => {
      assert.equal(await queue.untilNextDueMs(roomFor(10)), null);
      await acceptOne(queue, 'a');
      await queue.finish((await claimOne(queue)).lease, { ...REPLICATED, owed: true });
      assert.equal(await queue.untilNextDueMs(roomFor(10)), GRACE_MS);
      await acceptOne(queue, 'b');
      const { lease } = await claimOne(queue);
      assert.equal(await queue.untilNextDueMs(roomFor(10)), LEASE_MS);
      await queue.retry(lease, retryIn(7));
      assert.equal(await queue.untilNextDueMs(roomFor(10)), 7);
      clock.advance(8);
      assert.equal(await queue.untilNextDueMs(roomFor(10)), 0);
    },
  );

  promised(
    'work is told after accept, retry, release, redrive and dirty ends, until the end',
    async (queue) => {
      let calls = 0;
      const stop = queue.onWork(() => {
        calls += 1;
      });
      const expectCall = async (step: () => Promise<unknown>, expected: number): Promise<void> => {
        calls = 0;
        await step();
        assert.equal(calls, expected);
      };
      await expectCall(() => acceptOne(queue, 'a'), 1);
      const first = await claimOne(queue);
      await expectCall(() => queue.retry(first.lease, retryIn(0)), 1);
      const second = await claimOne(queue);
      await expectCall(() => queue.release(second.lease, { owed: false }), 1);
      await expectCall(() => queue.retry(second.lease, retryIn(0)), 0);
      const third = await claimOne(queue);
      await expectCall(() => acceptOne(queue, 'a'), 0);
      await expectCall(() => queue.finish(third.lease, CURRENT), 1);
      const fourth = await claimOne(queue);
      await expectCall(() => queue.finish(fourth.lease, CURRENT), 0);
      await expectCall(() => queue.redrive(fourth.lease.transferId), 1);
      const fifth = await claimOne(queue);
      await queue.retry(fifth.lease, retryIn(60_000));
      await expectCall(() => queue.redrive(fifth.lease.transferId), 1);
      stop();
      await expectCall(() => acceptOne(queue, 'b'), 0);
    },
  );

  promised('readers are told the ids whose status changed', async (queue) => {
    const told: string[][] = [];
    const stop = queue.onChanged((ids) => told.push([...ids].toSorted()));
    const { transferId } = await acceptOne(queue, 'a');
    await acceptOne(queue, 'a');
    const { lease } = await claimOne(queue);
    const followUp = await acceptOne(queue, 'a');
    await queue.renew(lease);
    await queue.progress(lease, { bytesDone: 1, sizeBytes: 2, checkpoint: null });
    await queue.finish(lease, CURRENT);
    const both = [transferId, followUp.transferId].toSorted();
    assert.deepEqual(told, [[transferId], [transferId], both]);
    stop();
    await claimOne(queue);
    assert.equal(told.length, 3);
  });

  promised('pruning removes old done transfers, a bounded number a call', async (queue, clock) => {
    const ids: string[] = [];
    for (const key of ['a', 'b', 'c', 'd']) ids.push((await acceptOne(queue, key)).transferId);
    const [a, b, c, d] = await queue.claim(roomFor(10));
    assert(a !== undefined && b !== undefined && c !== undefined && d !== undefined);
    for (const { lease } of [a, b]) {
      await queue.finish(lease, REPLICATED);
      clock.advance(10);
    }
    const beforeMs = clock.nowMs();
    await queue.finish(c.lease, REPLICATED);
    await queue.park(d.lease, parkWith('bug'));
    assert.equal(await queue.prune({ beforeMs, limit: 1 }), 1);
    assert.deepEqual(await keysOf(queue, {}), ['d', 'c', 'b'], 'the oldest goes first');
    assert.equal(await queue.prune({ beforeMs, limit: 10 }), 1);
    assert.equal(await queue.prune({ beforeMs, limit: 10 }), 0);
    assert.deepEqual(await keysOf(queue, {}), ['d', 'c']);
    assert.equal(await queue.get(ids[0] ?? ''), null);
    await acceptOne(queue, 'a');
    assert.equal((await claimOne(queue)).lastReceipt, null);
  });

  promised('a closed queue refuses everything', async (queue) => {
    await acceptOne(queue, 'a');
    await queue.close();
    await queue.close();
    await assert.rejects(acceptOne(queue, 'b'), /closed/);
    await assert.rejects(queue.claim(roomFor(1)), /closed/);
    await assert.rejects(queue.get('a'), /closed/);
    await assert.rejects(queue.counts(), /closed/);
  });
}

async function keysOf(queue: TransferQueue, filter: TransferFilter): Promise<string[]> {
  const { transfers, nextCursor } = await queue.list({ filter, cursor: null, limit: 100 });
  assert.equal(nextCursor, null);
  return transfers.map(({ source }) => source.key);
}
