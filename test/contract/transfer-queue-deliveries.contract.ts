// The contract's part on deliveries that name themselves: taken once, however often they come.
import assert from 'node:assert/strict';
import {
  acceptOne,
  claimOne,
  itemOf,
  type Promised,
  REPLICATED,
  roomFor,
  show,
} from './transfer-queue-samples.ts';

/** Registers the tests. */
export function deliveryTests(promised: Promised): void {
  promised(
    'a delivery that comes again changes nothing and is told what became of it',
    async (queue, clock) => {
      const request = { items: [itemOf('a'), itemOf('b')], quarantine: [{ reason: 'no key', raw: '{}' }] };
      const first = await queue.acceptDelivery('m1', request);
      assert.equal(first.isRepeat, false);
      assert.deepEqual(
        first.transfers.map((transfer) => transfer?.joined),
        [false, false],
      );
      clock.advance(10);
      const before = await queue.list({ filter: {}, cursor: null, limit: 10 });
      const again = await queue.acceptDelivery('m1', request);
      assert.deepEqual(again, {
        isRepeat: true,
        transfers: first.transfers.map((transfer) => ({ ...transfer, joined: true })),
      });
      assert.deepEqual(await queue.list({ filter: {}, cursor: null, limit: 10 }), before);
      assert.equal((await queue.counts()).quarantined, 1);
    },
  );

  promised('a delivery that comes again makes a running or finished transfer no work', async (queue) => {
    const request = { items: [itemOf('a')], quarantine: [] };
    const { transfers } = await queue.acceptDelivery('m1', request);
    const { lease } = await claimOne(queue);
    assert.deepEqual((await queue.acceptDelivery('m1', request)).transfers, [
      { transferId: lease.transferId, joined: true },
    ]);
    assert.deepEqual(await queue.finish(lease, REPLICATED), { kind: 'finished', status: 'done' });
    const late = await queue.acceptDelivery('m1', request);
    assert.deepEqual(late.transfers, [{ transferId: transfers[0]?.transferId, joined: true }]);
    assert.equal((await show(queue, lease.transferId)).status, 'done');
    assert.equal(await queue.untilNextDueMs(roomFor(10)), null);
  });

  promised('of one delivery that comes several times at once, one is taken', async (queue) => {
    const request = { items: [], quarantine: [{ reason: 'no key', raw: '{}' }] };
    const answers = await Promise.all(Array.from({ length: 8 }, () => queue.acceptDelivery('m1', request)));
    assert.equal(answers.filter(({ isRepeat }) => !isRepeat).length, 1);
    assert.equal((await queue.counts()).quarantined, 1);
  });

  promised('deliveries with other ids, and changes without one, are taken as they come', async (queue) => {
    const request = { items: [itemOf('a')], quarantine: [] };
    await queue.acceptDelivery('m1', request);
    await queue.finish((await claimOne(queue)).lease, REPLICATED);
    const other = await queue.acceptDelivery('M1', request);
    assert.deepEqual([other.isRepeat, other.transfers[0]?.joined], [false, false]);
    assert.deepEqual(await acceptOne(queue, 'a'), { ...other.transfers[0], joined: true });
  });

  promised(
    'of a delivery that comes again, an item that nothing stands for has no transfer',
    async (queue) => {
      await queue.acceptDelivery('m1', { items: [itemOf('a')], quarantine: [] });
      const again = await queue.acceptDelivery('m1', {
        items: [itemOf('a', { rule: 'newer' }), itemOf('a')],
        quarantine: [],
      });
      assert.equal(again.transfers[0], null);
      assert.equal(again.transfers[1]?.joined, true);
    },
  );

  promised('a delivery that is forgotten is taken as a new one', async (queue, clock) => {
    const request = { items: [itemOf('a')], quarantine: [] };
    for (const id of ['m1', 'm2', 'm3']) {
      await queue.acceptDelivery(id, request);
      clock.advance(1_000);
    }
    const old = { beforeMs: clock.nowMs() - 1_000, limit: 1 };
    assert.equal(await queue.forgetDeliveries(old), 1);
    assert.equal(await queue.forgetDeliveries(old), 1);
    assert.equal(await queue.forgetDeliveries(old), 0);
    assert.deepEqual(
      [
        (await queue.acceptDelivery('m1', request)).isRepeat,
        (await queue.acceptDelivery('m3', request)).isRepeat,
      ],
      [false, true],
    );
    await assert.rejects(queue.forgetDeliveries({ beforeMs: 0, limit: 0 }), RangeError);
  });
}
