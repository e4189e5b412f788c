// The contract's part on owed effects: how they stay with a row, and the look after the grace that clears them.
import assert from 'node:assert/strict';
import type { ClaimedTransfer, TransferQueue } from '../../src/core/transfer-queue.ts';
import type { ManualClock } from './manual-clock.ts';
import {
  acceptOne,
  claimOne,
  CURRENT,
  GRACE_MS,
  LEASE_MS,
  parkWith,
  type Promised,
  receiptOf,
  REPLICATED,
  retryIn,
  roomFor,
  show,
} from './transfer-queue-samples.ts';

const OWED_END = { ...REPLICATED, owed: true } as const;

/** Registers the tests. */
export function settlingTests(promised: Promised): void {
  promised('an end while owed settles, shows its result, and looks once more', async (queue, clock) => {
    const { transferId } = await acceptOne(queue, 'a', { occurredAtMs: 100 });
    const answer = await queue.finish((await claimOne(queue)).lease, OWED_END);
    assert.deepEqual(answer, { kind: 'finished', status: 'settling' });
    const shown = await show(queue, transferId);
    assert.deepEqual(
      [shown.status, shown.outcome, shown.receipt],
      ['settling', 'replicated', receiptOf('1')],
    );
    assert.equal(shown.nextAttemptAtMs, clock.nowMs() + GRACE_MS);
    assert.equal((await queue.counts()).oldestPendingChangeAtMs, 100, 'still pending');
    clock.jump(3_600_000);
    clock.advance(GRACE_MS - 1);
    assert.deepEqual(await queue.claim(roomFor(10)), [], 'the grace is not shortened by a jump of the clock');
    clock.advance(1);
    const look = await claimOne(queue);
    assert.deepEqual([look.isSettling, look.changeAtMs, look.attemptCount], [true, 100, 0]);
    assert.deepEqual(look.lastReceipt, receiptOf('1'));
    assert.deepEqual(await queue.finish(look.lease, CURRENT), { kind: 'finished', status: 'done' });
    const ended = await show(queue, transferId);
    assert.deepEqual(
      [ended.outcome, ended.receipt],
      ['replicated', receiptOf('1')],
      'the look only confirmed',
    );
  });

  promised('what the look after the grace did replaces the earlier result', async (queue, clock) => {
    const { transferId } = await acceptOne(queue, 'a');
    const look = await settle(queue, clock);
    const end = { outcome: 'replicated', receipt: receiptOf('2'), owed: false } as const;
    assert.deepEqual(await queue.finish(look.lease, end), { kind: 'finished', status: 'done' });
    assert.deepEqual((await show(queue, transferId)).receipt, receiptOf('2'));
  });

  promised(
    'a look after the grace that leaves a new effect unanswered settles again',
    async (queue, clock) => {
      await acceptOne(queue, 'a');
      const look = await settle(queue, clock);
      assert.deepEqual(await queue.finish(look.lease, OWED_END), { kind: 'finished', status: 'settling' });
      assert.equal(await queue.untilNextDueMs(roomFor(10)), GRACE_MS);
    },
  );

  promised('a change of a settling key is due at once under its id and still owed', async (queue) => {
    const { transferId } = await acceptOne(queue, 'a', { occurredAtMs: 100 });
    await queue.finish((await claimOne(queue)).lease, OWED_END);
    const joined = await acceptOne(queue, 'a', { occurredAtMs: 200 });
    assert.deepEqual(joined, { transferId, joined: true });
    const next = await claimOne(queue);
    assert.deepEqual([next.isSettling, next.changeAtMs], [false, 100]);
    const answer = await queue.finish(next.lease, CURRENT);
    assert.deepEqual(
      answer,
      { kind: 'finished', status: 'settling' },
      'only a look after the grace clears it',
    );
  });

  promised('redrive of a settling transfer looks now and later once more', async (queue) => {
    const { transferId } = await acceptOne(queue, 'a');
    await queue.finish((await claimOne(queue)).lease, OWED_END);
    assert.deepEqual(await queue.redrive(transferId), { transferId });
    const next = await claimOne(queue);
    assert.equal(next.isSettling, false);
    assert.deepEqual(await queue.finish(next.lease, CURRENT), { kind: 'finished', status: 'settling' });
  });

  promised('owed sticks through retry, park, release, expiry and dirty ends', async (queue, clock) => {
    const ways: readonly ((claimed: ClaimedTransfer) => Promise<unknown>)[] = [
      ({ lease }) => queue.retry(lease, { ...retryIn(0), owed: true }),
      ({ lease }) => queue.release(lease, { owed: true }),
      async ({ lease }) => {
        await queue.park(lease, { ...parkWith('bug'), owed: true });
        await queue.redrive(lease.transferId);
      },
      async () => clock.advance(LEASE_MS),
      async ({ lease, source }) => {
        await acceptOne(queue, source.key);
        await queue.finish(lease, OWED_END);
      },
      async ({ lease, source }) => {
        await acceptOne(queue, source.key);
        await queue.park(lease, { ...parkWith('bug', 0), owed: true });
      },
    ];
    for (const [index, way] of ways.entries()) {
      await acceptOne(queue, `key-${index}`);
      await way(await claimOne(queue));
      // Twice more without any unanswered effect: it must not wear off.
      await queue.retry((await claimOne(queue)).lease, retryIn(0));
      const answer = await queue.finish((await claimOne(queue)).lease, CURRENT);
      assert.deepEqual(answer, { kind: 'finished', status: 'settling' }, `way ${index}`);
      clock.advance(GRACE_MS);
      const look = await claimOne(queue);
      assert.equal(look.isSettling, true);
      assert.deepEqual(await queue.finish(look.lease, CURRENT), { kind: 'finished', status: 'done' });
    }
  });

  promised('a look after the grace that fails is owed as before', async (queue, clock) => {
    await acceptOne(queue, 'a');
    const look = await settle(queue, clock);
    await queue.retry(look.lease, retryIn(0));
    const next = await claimOne(queue);
    assert.equal(next.isSettling, false);
    assert.deepEqual(await queue.finish(next.lease, CURRENT), { kind: 'finished', status: 'settling' });
  });

  promised('a dirty look after the grace clears what was owed and goes on', async (queue, clock) => {
    const first = await acceptOne(queue, 'a', { occurredAtMs: 100 });
    const look = await settle(queue, clock);
    const second = await acceptOne(queue, 'a', { occurredAtMs: 200 });
    assert.deepEqual(await queue.finish(look.lease, CURRENT), { kind: 'finished', status: 'queued' });
    assert.equal((await show(queue, first.transferId)).outcome, 'replicated');
    const next = await claimOne(queue);
    assert.deepEqual([next.lease.transferId, next.changeAtMs], [second.transferId, 200]);
    assert.deepEqual(await queue.finish(next.lease, CURRENT), { kind: 'finished', status: 'done' });
  });

  promised('a dirty end while owed keeps the older change pending', async (queue) => {
    await acceptOne(queue, 'a', { occurredAtMs: 100 });
    const { lease } = await claimOne(queue);
    await acceptOne(queue, 'a', { occurredAtMs: 200 });
    await queue.finish(lease, OWED_END);
    assert.equal((await claimOne(queue)).changeAtMs, 100, 'what the attempt did may still be undone');
  });

  promised(
    'an outcome of a settling transfer stays with its id when a change supersedes the look',
    async (queue, clock) => {
      const { transferId } = await acceptOne(queue, 'a');
      const look = await settle(queue, clock);
      await acceptOne(queue, 'a');
      await queue.release(look.lease, { owed: false });
      assert.equal((await show(queue, transferId)).outcome, 'replicated');
    },
  );
}

/** Takes the one waiting transfer to the claim after its grace. */
async function settle(queue: TransferQueue, clock: ManualClock): Promise<ClaimedTransfer> {
  await queue.finish((await claimOne(queue)).lease, OWED_END);
  clock.advance(GRACE_MS);
  const look = await claimOne(queue);
  assert.equal(look.isSettling, true);
  return look;
}
