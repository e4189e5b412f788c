// The contract's part on parked transfers: what they are parked for, and running a whole class again.
import assert from 'node:assert/strict';
import type { FaultCode } from '../../src/core/faults.ts';
import type { ParkedClass, ParkedFilter, TransferQueue } from '../../src/core/transfer-queue.ts';
import {
  acceptOne,
  claimOne,
  CURRENT,
  GRACE_MS,
  itemOf,
  parkWith,
  type Promised,
  retryIn,
  roomFor,
  show,
} from './transfer-queue-samples.ts';

interface ParkOptions {
  readonly rule?: string;
  readonly bucket?: string;
  readonly owed?: boolean;
}

/** Accepts a change and parks its transfer; answers the id. */
async function park(
  queue: TransferQueue,
  key: string,
  code: FaultCode,
  options: ParkOptions = {},
): Promise<string> {
  await acceptOne(queue, key, options);
  const { lease } = await claimOne(queue);
  assert.equal(await queue.park(lease, { ...parkWith(code), owed: options.owed ?? false }), 'parked');
  return lease.transferId;
}

/** Goes step by step to the end; answers how many each step made due. */
export async function redriveAll(
  queue: TransferQueue,
  filter: ParkedFilter,
  limit: number,
): Promise<number[]> {
  const steps: number[] = [];
  let cursor: string | null = null;
  do {
    const step: Awaited<ReturnType<TransferQueue['redriveClass']>> = await queue.redriveClass({
      filter,
      limit,
      cursor,
    });
    steps.push(step.redriven);
    cursor = step.nextCursor;
  } while (cursor !== null);
  return steps;
}

async function dueKeys(queue: TransferQueue): Promise<string[]> {
  return (await queue.claim(roomFor(100))).map(({ source }) => source.key);
}

/** Registers the tests. */
export function parkedTests(promised: Promised): void {
  promised('nothing parked is no class', async (queue) => {
    assert.deepEqual(await queue.parkedClasses(), []);
    assert.deepEqual(await redriveAll(queue, {}, 10), [0]);
    await assert.rejects(queue.redriveClass({ filter: {}, limit: 0, cursor: null }), RangeError);
    await assert.rejects(queue.redriveClass({ filter: {}, limit: 1, cursor: 'no cursor' }), RangeError);
  });

  promised(
    'classes are told by fault and rule, with count, first, last and an example',
    async (queue, clock) => {
      const startMs = clock.nowMs();
      const first = await park(queue, 'a', 'too_large');
      clock.advance(10);
      await park(queue, 'b', 'too_large');
      const denied = await park(queue, 'c', 'access_denied', { rule: 'two' });
      clock.advance(10);
      await park(queue, 'd', 'too_large');
      const other = await park(queue, 'e', 'access_denied', { rule: 'one' });
      const class1 = {
        ruleName: 'one',
        faultCode: 'access_denied',
        count: 1,
        exampleTransferId: other,
      } as const;
      const expected: ParkedClass[] = [
        { ...class1, firstAtMs: startMs + 20, lastAtMs: startMs + 20 },
        {
          ruleName: 'two',
          faultCode: 'access_denied',
          count: 1,
          exampleTransferId: denied,
          firstAtMs: startMs + 10,
          lastAtMs: startMs + 10,
        },
        {
          ruleName: 'default',
          faultCode: 'too_large',
          count: 3,
          exampleTransferId: first,
          firstAtMs: startMs,
          lastAtMs: startMs + 20,
        },
      ];
      assert.deepEqual(await queue.parkedClasses(), expected);
    },
  );

  promised('an example that is parked again becomes the last of its class', async (queue, clock) => {
    const ids: string[] = [];
    for (const key of ['a', 'b', 'c']) {
      ids.push(await park(queue, key, 'access_denied'));
      clock.advance(1);
    }
    const tried: (string | undefined)[] = [];
    for (let round = 0; round < 4; round += 1) {
      const [parked] = await queue.parkedClasses();
      tried.push(parked?.exampleTransferId);
      await queue.redrive(parked?.exampleTransferId ?? '');
      assert.equal((await queue.parkedClasses())[0]?.count, 2);
      await queue.park((await claimOne(queue)).lease, parkWith('access_denied'));
      clock.advance(1);
    }
    assert.deepEqual(tried, [...ids, ids[0]]);
  });

  promised('a class ends with its last transfer: redriven, changed or finished', async (queue) => {
    const id = await park(queue, 'a', 'access_denied');
    await park(queue, 'b', 'access_denied');
    await queue.redrive(id);
    await acceptOne(queue, 'b');
    assert.deepEqual(await queue.parkedClasses(), []);
    const [a, b] = await queue.claim(roomFor(10));
    assert(a !== undefined && b !== undefined);
    await queue.finish(a.lease, CURRENT);
    await queue.park(b.lease, parkWith('quota_exhausted'));
    assert.deepEqual(
      (await queue.parkedClasses()).map(({ faultCode, count }) => [faultCode, count]),
      [['quota_exhausted', 1]],
    );
  });

  promised('only parked transfers that match become due, in the order of their beginning', async (queue) => {
    await park(queue, 'in/1', 'access_denied');
    await park(queue, 'in/2', 'access_denied', { bucket: 'other' });
    await park(queue, 'in/3', 'access_denied', { rule: 'two' });
    await park(queue, 'in/4', 'too_large');
    await park(queue, 'in_5%\u0000é', 'access_denied');
    await acceptOne(queue, 'waits');
    await queue.retry((await claimOne(queue)).lease, {
      ...retryIn(60_000),
      fault: parkWith('access_denied').fault,
    });
    const cases: readonly (readonly [ParkedFilter, string[]])[] = [
      [{ faultCode: 'quota_exhausted' }, []],
      [{ faultCode: 'access_denied', ruleName: 'default', bucket: 'other', keyPrefix: 'in_' }, []],
      [{ keyPrefix: 'in_5%\u0000' }, ['in_5%\u0000é']],
      [{ ruleName: 'two' }, ['in/3']],
      [{ bucket: 'other' }, ['in/2']],
      [{ faultCode: 'access_denied', ruleName: 'default', bucket: 'source', keyPrefix: 'in/' }, ['in/1']],
      [{ faultCode: 'access_denied' }, ['in/1', 'in/2', 'in/3', 'in_5%\u0000é']],
      [{}, ['in/1', 'in/2', 'in/3', 'in/4', 'in_5%\u0000é']],
    ];
    for (const [filter, keys] of cases) {
      assert.deepEqual(await redriveAll(queue, filter, 100), [keys.length], JSON.stringify(filter));
      const claimed = await queue.claim(roomFor(100));
      assert.deepEqual(
        claimed.map(({ source }) => source.key),
        keys,
      );
      for (const { lease, source } of claimed) {
        await queue.park(lease, parkWith(source.key === 'in/4' ? 'too_large' : 'access_denied'));
      }
    }
  });

  promised(
    'a redriven class keeps ids and what is owed, and counts attempts from zero',
    async (queue, clock) => {
      const plain = await park(queue, 'a', 'access_denied');
      const owed = await park(queue, 'b', 'access_denied', { owed: true });
      assert.equal((await show(queue, plain)).attemptCount, 1);
      let workCount = 0;
      const told: string[] = [];
      queue.onWork(() => {
        workCount += 1;
      });
      queue.onChanged((ids) => told.push(...ids));
      assert.deepEqual(
        await queue.redriveClass({ filter: { faultCode: 'access_denied' }, limit: 5, cursor: null }),
        {
          redriven: 2,
          nextCursor: null,
        },
      );
      assert.equal(workCount, 1);
      assert.deepEqual(told.toSorted(), [plain, owed].toSorted());
      assert.equal(await queue.untilNextDueMs(roomFor(10)), 0);
      const { byStatus } = await queue.counts();
      assert.deepEqual([byStatus.queued, byStatus.parked], [2, 0]);
      const [a, b] = await queue.claim(roomFor(10));
      assert(a !== undefined && b !== undefined);
      assert.deepEqual([a.lease.transferId, a.attemptCount, a.isOwed], [plain, 0, false]);
      assert.deepEqual([b.lease.transferId, b.attemptCount, b.isOwed], [owed, 0, true]);
      assert.deepEqual(await queue.finish(a.lease, CURRENT), { kind: 'finished', status: 'done' });
      assert.deepEqual(await queue.finish(b.lease, CURRENT), { kind: 'finished', status: 'settling' });
      clock.advance(GRACE_MS);
      assert.equal((await claimOne(queue)).isSettling, true);
    },
  );

  promised('a step is bounded, and what is parked anew behind its cursor is not met twice', async (queue) => {
    const keys = ['a', 'b', 'c', 'd', 'e'];
    for (const key of keys) await park(queue, key, 'access_denied');
    const filter = { faultCode: 'access_denied' } as const;
    const first = await queue.redriveClass({ filter, limit: 2, cursor: null });
    assert.equal(first.redriven, 2);
    for (const { lease } of await queue.claim(roomFor(10)))
      await queue.park(lease, parkWith('access_denied'));
    const second = await queue.redriveClass({ filter, limit: 2, cursor: first.nextCursor });
    assert.equal(second.redriven, 2);
    assert.deepEqual(await dueKeys(queue), ['c', 'd']);
    const third = await queue.redriveClass({ filter, limit: 2, cursor: second.nextCursor });
    assert.deepEqual(third, { redriven: 1, nextCursor: null });
    assert.equal((await queue.counts()).byStatus.parked, 2);
  });

  promised('a parked archived object is queued by the change that its restore sends', async (queue) => {
    const id = await park(queue, 'cold', 'object_archived');
    const { change, ...item } = itemOf('cold');
    const [accepted] = await queue.accept({
      items: [{ ...item, change: { ...change, kind: 'restored' } }],
      quarantine: [],
    });
    assert.deepEqual(accepted, { transferId: id, joined: true });
    assert.deepEqual(await queue.parkedClasses(), []);
    assert.equal((await claimOne(queue)).lease.transferId, id);
  });
}
