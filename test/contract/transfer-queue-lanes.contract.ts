// The contract's part on whose turn it is: two lanes by size, live work before background work.
import assert from 'node:assert/strict';
import type { ClaimedTransfer, ClaimRoom, TransferQueue } from '../../src/core/transfer-queue.ts';
import {
  acceptOne,
  claimOne,
  CURRENT,
  GRACE_MS,
  LEASE_MS,
  parkWith,
  type Promised,
  REPLICATED,
  retryIn,
  roomFor,
  SMALL_MAX_BYTES,
} from './transfer-queue-samples.ts';

const LARGE = { sizeBytes: SMALL_MAX_BYTES + 1 };
const SMALL = { sizeBytes: SMALL_MAX_BYTES };
const BACKGROUND = { transport: 'backfill' } as const;

/** Registers the tests. */
export function laneTests(promised: Promised): void {
  laneRules(promised);
  sizeRules(promised);
  priorityRules(promised);
}

function laneRules(promised: Promised): void {
  promised('a claim hands out large transfers up to their room, then small ones', async (queue) => {
    for (const key of ['big-1', 'big-2', 'big-3']) await acceptOne(queue, key, LARGE);
    for (const key of ['small-1', 'small-2', 'small-3']) await acceptOne(queue, key, SMALL);
    const claimed = await queue.claim({ total: 4, large: 2 });
    assert.deepEqual(
      claimed.map(({ lane, source }) => `${lane} ${source.key}`),
      ['large big-1', 'large big-2', 'small small-1', 'small small-2'],
    );
    assert.deepEqual(await keysFor(queue, { total: 4, large: 0 }), ['small-3']);
    assert.deepEqual(await keysFor(queue, { total: 4, large: 4 }), ['big-3']);
  });

  promised('where no large transfer is due, small ones get the whole room', async (queue) => {
    for (const key of ['a', 'b', 'c']) await acceptOne(queue, key);
    assert.deepEqual(await keysFor(queue, { total: 3, large: 2 }), ['a', 'b', 'c']);
  });

  promised('due transfers of a lane without room are nothing to wait for', async (queue, clock) => {
    await acceptOne(queue, 'big', LARGE);
    assert.equal(await queue.untilNextDueMs({ total: 1, large: 1 }), 0);
    assert.equal(await queue.untilNextDueMs({ total: 1, large: 0 }), null);
    assert.equal(await queue.untilNextDueMs({ total: 0, large: 1 }), null);
    await acceptOne(queue, 'small');
    assert.equal(await queue.untilNextDueMs({ total: 1, large: 0 }), 0);
    const [small] = await queue.claim({ total: 1, large: 0 });
    assert(small !== undefined);
    assert.equal(await queue.untilNextDueMs({ total: 1, large: 0 }), LEASE_MS, 'a lease may expire');
    await queue.retry(small.lease, retryIn(5_000));
    assert.equal(await queue.untilNextDueMs({ total: 1, large: 0 }), 5_000);
    clock.advance(5_000);
    assert.equal(await queue.untilNextDueMs({ total: 1, large: 0 }), 0);
  });

  promised('a claim without room takes expired leases back and hands nothing out', async (queue, clock) => {
    const { transferId } = await acceptOne(queue, 'a');
    await claimOne(queue);
    clock.advance(LEASE_MS);
    assert.deepEqual(await queue.claim(roomFor(0)), []);
    assert.equal((await queue.get(transferId))?.status, 'queued');
  });

  promised('a room that is no number of transfers is refused', async (queue) => {
    for (const room of [roomFor(-1), roomFor(0.5), { total: 1, large: Number.NaN }]) {
      await assert.rejects(queue.claim(room), RangeError);
      await assert.rejects(queue.untilNextDueMs(room), RangeError);
    }
  });
}

function sizeRules(promised: Promised): void {
  promised('what an attempt learnt of the size decides over what a change claimed', async (queue) => {
    await acceptOne(queue, 'a', SMALL);
    const claimed = await claimOne(queue);
    assert.equal(claimed.lane, 'small');
    await queue.progress(claimed.lease, { bytesDone: 0, sizeBytes: LARGE.sizeBytes, checkpoint: null });
    await queue.release(claimed.lease, { owed: false });
    assert.equal(await queue.untilNextDueMs({ total: 5, large: 0 }), null);
    const again = await claimOne(queue);
    assert.deepEqual([again.lane, again.attemptCount], ['large', 0]);
    await queue.retry(again.lease, retryIn(0));
    await acceptOne(queue, 'a', SMALL);
    assert.equal((await claimOne(queue)).lane, 'large', 'that change said the same before the attempt');
  });

  promised('a change that tells another size counts over what an attempt learnt before', async (queue) => {
    await acceptOne(queue, 'a', LARGE);
    const { lease, lane } = await claimOne(queue);
    assert.equal(lane, 'large');
    await queue.progress(lease, { bytesDone: 0, sizeBytes: LARGE.sizeBytes, checkpoint: null });
    await queue.park(lease, parkWith('access_denied'));
    await acceptOne(queue, 'a', { sizeBytes: 5 });
    const small = await claimOne(queue);
    assert.equal(small.lane, 'small');
    await queue.progress(small.lease, { bytesDone: 0, sizeBytes: 5, checkpoint: null });
    await acceptOne(queue, 'a', LARGE);
    await queue.retry(small.lease, retryIn(0));
    assert.equal((await claimOne(queue)).lane, 'large', 'the follow-up knows the newer size');
  });

  promised('the look after a grace is small work', async (queue, clock) => {
    await acceptOne(queue, 'a', LARGE);
    const { lease } = await claimOne(queue);
    await queue.finish(lease, { ...REPLICATED, owed: true });
    clock.advance(GRACE_MS);
    const [settling] = await queue.claim({ total: 1, large: 0 });
    assert.deepEqual([settling?.lane, settling?.isSettling], ['small', true]);
  });
}

function priorityRules(promised: Promised): void {
  promised('live transfers go before background ones, whatever is due earlier', async (queue, clock) => {
    await acceptOne(queue, 'filled', BACKGROUND);
    await acceptOne(queue, 'compared', { transport: 'reconcile' });
    clock.advance(1_000);
    for (const transport of ['s3', 'eventbridge', 'api'] as const) {
      await acceptOne(queue, transport, { transport });
    }
    const keys = ['s3', 'eventbridge', 'api', 'filled', 'compared'];
    assert.deepEqual(await keysFor(queue, roomFor(10)), keys);
  });

  promised('of eight claims of a lane one is left to background transfers', async (queue) => {
    for (let index = 0; index < 20; index += 1) await acceptOne(queue, `live-${index}`);
    for (let index = 0; index < 3; index += 1) await acceptOne(queue, `back-${index}`, BACKGROUND);
    await acceptOne(queue, 'large', { ...BACKGROUND, ...LARGE });
    const claimed: string[] = [];
    // However the room is cut into claims.
    for (const total of [1, 6, 2, 8, 6]) claimed.push(...(await keysFor(queue, { total, large: 0 })));
    assert.equal(claimed.length, 23);
    const places = claimed.flatMap((key, index) => (key.startsWith('back') ? [index] : []));
    assert.deepEqual(places, [7, 15, 22]);
    assert.deepEqual(await keysFor(queue, roomFor(1)), ['large'], 'the lanes count apart');
  });

  promised('a live change makes waiting background work urgent, and never the other way', async (queue) => {
    await acceptOne(queue, 'other', BACKGROUND);
    await acceptOne(queue, 'a', BACKGROUND);
    await acceptOne(queue, 'a');
    await acceptOne(queue, 'a', BACKGROUND);
    assert.deepEqual(await keysFor(queue, roomFor(10)), ['a', 'other']);
  });

  promised('a follow-up is as urgent as what it stands for', async (queue) => {
    const [a] = await acceptAndClaim(queue, 'a');
    await acceptOne(queue, 'other', BACKGROUND);
    await acceptOne(queue, 'a', BACKGROUND);
    await queue.finish(a.lease, CURRENT);
    assert.deepEqual(await keysFor(queue, roomFor(1)), ['other'], 'the live change is covered');
    const again = await claimOne(queue);
    await acceptOne(queue, 'third', BACKGROUND);
    await acceptOne(queue, 'a', BACKGROUND);
    await acceptOne(queue, 'a');
    await queue.finish(again.lease, CURRENT);
    assert.deepEqual(await keysFor(queue, roomFor(1)), ['a'], 'one of its changes is live');
  });

  promised('work that no attempt has covered stays as urgent as it was', async (queue) => {
    await acceptOne(queue, 'other', BACKGROUND);
    for (const end of ['retry', 'finish'] as const) {
      const [a] = await acceptAndClaim(queue, 'a');
      await acceptOne(queue, 'a', BACKGROUND);
      if (end === 'retry') await queue.retry(a.lease, retryIn(0));
      else await queue.finish(a.lease, { ...CURRENT, owed: true });
      const [next] = await queue.claim(roomFor(1));
      assert.equal(next?.source.key, 'a', end);
      await queue.park(next.lease, parkWith('bug'));
    }
  });

  promised('one transfer redriven is urgent; a class keeps its places', async (queue) => {
    const { transferId } = await acceptOne(queue, 'a', BACKGROUND);
    await acceptOne(queue, 'b', BACKGROUND);
    for (const { lease } of await queue.claim(roomFor(2))) await queue.park(lease, parkWith('bug'));
    await acceptOne(queue, 'live');
    await queue.redriveClass({ filter: {}, limit: 10, cursor: null });
    assert.deepEqual(await keysFor(queue, roomFor(1)), ['live']);
    await acceptOne(queue, 'late');
    await queue.redrive(transferId);
    assert.deepEqual(await keysFor(queue, roomFor(3)), ['a', 'late', 'b']);
  });
}

async function acceptAndClaim(queue: TransferQueue, key: string): Promise<[ClaimedTransfer]> {
  await acceptOne(queue, key);
  const [claimed] = await queue.claim(roomFor(1));
  assert(claimed !== undefined);
  assert.equal(claimed.source.key, key);
  return [claimed];
}

async function keysFor(queue: TransferQueue, room: ClaimRoom): Promise<string[]> {
  return (await queue.claim(room)).map(({ source }) => source.key);
}
