// The contract's part on leases and on how attempts end.
import assert from 'node:assert/strict';
import type { Lease, TransferQueue } from '../../src/core/transfer-queue.ts';
import {
  acceptOne,
  checkpointOf,
  claimOne,
  CURRENT,
  faultOf,
  LEASE_MS,
  parkWith,
  type Promised,
  receiptOf,
  REPLICATED,
  retryIn,
  roomFor,
  show,
} from './transfer-queue-samples.ts';

/** Registers the tests. */
export function attemptTests(promised: Promised): void {
  promised('a finished transfer is done, with outcome, receipt and size', async (queue) => {
    const { transferId } = await acceptOne(queue, 'a');
    const answer = await queue.finish((await claimOne(queue)).lease, REPLICATED);
    assert.deepEqual(answer, { kind: 'finished', status: 'done' });
    const shown = await show(queue, transferId);
    assert.deepEqual(
      [shown.status, shown.outcome, shown.receipt],
      ['done', 'replicated', REPLICATED.receipt],
    );
    assert.deepEqual([shown.sizeBytes, shown.bytesDone, shown.nextAttemptAtMs], [3, 3, null]);
  });

  promised('an old lease changes nothing', async (queue, clock) => {
    const { transferId } = await acceptOne(queue, 'a');
    const { lease: old } = await claimOne(queue);
    clock.advance(LEASE_MS);
    const { lease } = await claimOne(queue);
    const before = await show(queue, transferId);
    await assertPowerless(queue, old);
    await assertPowerless(queue, { ...lease, token: lease.token + 1 });
    await assertPowerless(queue, { ...lease, transferId: 'nobody-knows-this-id' });
    assert.deepEqual(await show(queue, transferId), before);
    assert.equal((await queue.finish(lease, REPLICATED)).kind, 'finished', 'the current one still counts');
    await assertPowerless(queue, lease);
    assert.equal((await show(queue, transferId)).outcome, 'replicated');
  });

  promised('renewal extends the lease, however the wall clock jumps', async (queue, clock) => {
    await acceptOne(queue, 'a');
    let { lease } = await claimOne(queue);
    for (const jumpMs of [3_600_000, -7_200_000, 0]) {
      clock.advance(LEASE_MS - 1);
      clock.jump(jumpMs);
      assert.deepEqual(await queue.claim(roomFor(10)), [], 'the lease holds');
      const renewed = await queue.renew(lease);
      assert(renewed !== null);
      assert.deepEqual(renewed, { ...lease, expiresAtMonotonicMs: clock.monotonicMs() + LEASE_MS });
      lease = renewed;
    }
    assert.equal(await queue.untilNextDueMs(roomFor(10)), LEASE_MS);
    assert.equal((await queue.finish(lease, CURRENT)).kind, 'finished');
  });

  promised('an expired lease is taken back by the next claim, owed and uncounted', async (queue, clock) => {
    await acceptOne(queue, 'a');
    const { lease } = await claimOne(queue);
    await queue.progress(lease, { bytesDone: 5, sizeBytes: 10, checkpoint: null });
    clock.advance(LEASE_MS - 1);
    assert.deepEqual(await queue.claim(roomFor(10)), []);
    clock.advance(1);
    assert.equal(await queue.untilNextDueMs(roomFor(10)), 0);
    const taken = await claimOne(queue);
    assert.deepEqual([taken.lease.transferId, taken.attemptCount], [lease.transferId, 0]);
    assert(taken.lease.token > lease.token);
    assert.deepEqual(await queue.finish(taken.lease, REPLICATED), { kind: 'finished', status: 'settling' });
  });

  promised('a lease that expires on a dirty row ends the old id as superseded', async (queue, clock) => {
    const first = await acceptOne(queue, 'a', { occurredAtMs: 100 });
    await claimOne(queue);
    const second = await acceptOne(queue, 'a', { occurredAtMs: 200 });
    clock.advance(LEASE_MS);
    const taken = await claimOne(queue);
    assert.equal(taken.lease.transferId, second.transferId);
    assert.equal(taken.changeAtMs, 100, 'no attempt has covered the older change');
    const ended = await show(queue, first.transferId);
    assert.deepEqual([ended.status, ended.outcome], ['done', 'superseded']);
    assert.equal((await queue.finish(taken.lease, CURRENT)).kind, 'finished');
    assert.equal((await show(queue, second.transferId)).status, 'settling', 'owed by the expiry');
  });

  promised('a retry is due after its delay and counts where it is told to', async (queue, clock) => {
    const { transferId } = await acceptOne(queue, 'a');
    assert.equal(await queue.retry((await claimOne(queue)).lease, retryIn(5_000)), true);
    const shown = await show(queue, transferId);
    assert.deepEqual([shown.status, shown.attemptCount], ['queued', 1]);
    assert.deepEqual(shown.fault, faultOf());
    assert.equal(shown.nextAttemptAtMs, clock.nowMs() + 5_000);
    assert.equal(await queue.untilNextDueMs(roomFor(10)), 5_000);
    clock.advance(4_999);
    assert.deepEqual(await queue.claim(roomFor(10)), []);
    clock.advance(1);
    const { lease } = await claimOne(queue);
    await queue.retry(lease, { ...retryIn(1), countsAsAttempt: false });
    clock.advance(1);
    const again = await claimOne(queue);
    assert.equal(again.attemptCount, 1, 'the store was down: nobody failed');
    await queue.finish(again.lease, REPLICATED);
    assert.equal((await show(queue, transferId)).fault, null, 'a success forgets the fault');
  });

  promised('due times do not move when the wall clock jumps', async (queue, clock) => {
    await acceptOne(queue, 'a');
    await queue.retry((await claimOne(queue)).lease, retryIn(5_000));
    clock.jump(3_600_000);
    assert.deepEqual(await queue.claim(roomFor(10)), []);
    assert.equal(await queue.untilNextDueMs(roomFor(10)), 5_000);
    clock.jump(-7_200_000);
    clock.advance(5_000);
    assert.equal((await claimOne(queue)).attemptCount, 1);
  });

  promised(
    'a retry of a dirty row goes on under the follow-up, with attempts and delay',
    async (queue, clock) => {
      const first = await acceptOne(queue, 'a', { occurredAtMs: 100 });
      const { lease } = await claimOne(queue);
      const second = await acceptOne(queue, 'a', { occurredAtMs: 200 });
      assert.equal(await queue.retry(lease, retryIn(5_000)), true);
      const ended = await show(queue, first.transferId);
      assert.deepEqual([ended.status, ended.outcome, ended.fault], ['done', 'superseded', null]);
      const waiting = await show(queue, second.transferId);
      assert.deepEqual([waiting.status, waiting.attemptCount, waiting.changeAtMs], ['queued', 1, 100]);
      assert.equal(waiting.fault?.code, 'target_error');
      assert.equal(waiting.nextAttemptAtMs, clock.nowMs() + 5_000);
      clock.advance(5_000);
      const next = await claimOne(queue);
      assert.deepEqual([next.lease.transferId, next.attemptCount], [second.transferId, 1]);
      assert.deepEqual(await queue.finish(next.lease, CURRENT), { kind: 'finished', status: 'done' });
    },
  );

  promised('a parked transfer waits for a person', async (queue, clock) => {
    const { transferId } = await acceptOne(queue, 'a');
    const { lease } = await claimOne(queue);
    assert.equal(await queue.park(lease, parkWith('access_denied')), 'parked');
    const shown = await show(queue, transferId);
    assert.deepEqual([shown.status, shown.fault?.code, shown.outcome], ['parked', 'access_denied', null]);
    clock.advance(365 * 86_400_000);
    assert.deepEqual(await queue.claim(roomFor(10)), []);
    assert.equal(await queue.untilNextDueMs(roomFor(10)), null);
  });

  promised('a dirty row is never parked: the change may be the cure', async (queue, clock) => {
    const first = await acceptOne(queue, 'a');
    const { lease } = await claimOne(queue);
    const second = await acceptOne(queue, 'a');
    assert.equal(await queue.park(lease, parkWith('metadata_too_large', 2_000)), 'queued');
    assert.equal((await show(queue, first.transferId)).outcome, 'superseded');
    const waiting = await show(queue, second.transferId);
    assert.deepEqual([waiting.status, waiting.fault?.code], ['queued', 'metadata_too_large']);
    assert.equal(waiting.nextAttemptAtMs, clock.nowMs() + 2_000);
    clock.advance(2_000);
    const next = await claimOne(queue);
    assert.deepEqual([next.lease.transferId, next.attemptCount], [second.transferId, 0]);
  });

  promised('a released row is due at once and counts no attempt', async (queue) => {
    const { transferId } = await acceptOne(queue, 'a');
    assert.equal(await queue.release((await claimOne(queue)).lease, { owed: false }), true);
    const again = await claimOne(queue);
    assert.deepEqual([again.lease.transferId, again.attemptCount], [transferId, 0]);
    const second = await acceptOne(queue, 'a');
    assert.equal(await queue.release(again.lease, { owed: false }), true);
    assert.equal((await show(queue, transferId)).outcome, 'superseded');
    const next = await claimOne(queue);
    assert.equal(next.lease.transferId, second.transferId);
    assert.deepEqual(await queue.finish(next.lease, CURRENT), { kind: 'finished', status: 'done' });
  });

  promised(
    'a row released with a delay is due after it, also where a change arrives',
    async (queue, clock) => {
      const { transferId } = await acceptOne(queue, 'a');
      const end = { owed: false, delayMs: 700 };
      assert.equal(await queue.release((await claimOne(queue)).lease, end), true);
      assert.equal((await show(queue, transferId)).nextAttemptAtMs, clock.nowMs() + 700);
      await acceptOne(queue, 'a');
      clock.advance(699);
      assert.deepEqual(await queue.claim(roomFor(1)), []);
      clock.advance(1);
      const again = await claimOne(queue);
      assert.deepEqual([again.lease.transferId, again.attemptCount], [transferId, 0]);
      const second = await acceptOne(queue, 'a');
      assert.equal(await queue.release(again.lease, end), true);
      assert.equal((await show(queue, second.transferId)).nextAttemptAtMs, clock.nowMs() + 700);
    },
  );

  promised('progress is shown', async (queue) => {
    const { transferId } = await acceptOne(queue, 'a');
    const { lease } = await claimOne(queue);
    const report = { bytesDone: 40, sizeBytes: 100, checkpoint: checkpointOf(40) };
    assert.equal(await queue.progress(lease, report), true);
    const shown = await show(queue, transferId);
    assert.deepEqual([shown.status, shown.bytesDone, shown.sizeBytes], ['copying', 40, 100]);
    assert(!JSON.stringify(shown).includes('secret-session'));
  });

  promised('the last receipt of a key comes with every later claim', async (queue) => {
    await acceptOne(queue, 'a');
    await acceptOne(queue, 'a', { rule: 'other' });
    const both = await queue.claim(roomFor(10));
    assert.deepEqual(
      both.map(({ lastReceipt }) => lastReceipt),
      [null, null],
    );
    for (const { lease } of both) await queue.finish(lease, REPLICATED);
    const newer = receiptOf('2');
    for (const [known, end] of [
      [REPLICATED.receipt, { ...REPLICATED, receipt: newer }],
      [newer, CURRENT],
      [newer, CURRENT],
    ] as const) {
      await acceptOne(queue, 'a');
      const claimed = await claimOne(queue);
      assert.deepEqual(claimed.lastReceipt, known, 'the newest, also past transfers that have none');
      await queue.finish(claimed.lease, end);
    }
    await acceptOne(queue, 'b');
    assert.equal((await claimOne(queue)).lastReceipt, null, 'another key has its own');
  });
}

async function assertPowerless(queue: TransferQueue, lease: Lease): Promise<void> {
  assert.equal(await queue.renew(lease), null);
  assert.equal(await queue.progress(lease, { bytesDone: 1, sizeBytes: 2, checkpoint: null }), false);
  assert.deepEqual(await queue.finish(lease, CURRENT), { kind: 'lease_lost' });
  assert.equal(await queue.retry(lease, retryIn(1)), false);
  assert.equal(await queue.park(lease, parkWith('bug')), 'lease_lost');
  assert.equal(await queue.release(lease, { owed: true }), false);
}
