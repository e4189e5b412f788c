// How long a request waits for its transfers where nobody tells of their end.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { acceptOne, claimOne, REPLICATED } from '../../test/contract/transfer-queue-samples.ts';
import type { TransferQueue } from '../core/transfer-queue.ts';
import { openMemoryQueue } from '../queues/memory/memory-queue.ts';
import { SYSTEM_CLOCK as clock } from '../system-clock.ts';
import { waitForEnd } from './wait-for-end.ts';

const LONG_MS = 60_000;

/** A queue that another process works on, which dies before it can tell what it did. */
async function silentQueue(): Promise<{ queue: TransferQueue; transferIds: string[]; end(): Promise<void> }> {
  const queue = openMemoryQueue({
    clock,
    leaseMs: 30_000,
    settleGraceMs: 60_000,
    smallMaxBytes: 1,
    newId: randomUUID,
  });
  const { transferId } = await acceptOne(queue, 'a');
  // It is due from the next whole millisecond on.
  await clock.sleep(2, new AbortController().signal);
  const { lease } = await claimOne(queue);
  return {
    queue: new Proxy(queue, {
      get(target, name: keyof TransferQueue) {
        if (name === 'onChanged') return () => () => {};
        const method = target[name] as (...values: unknown[]) => unknown;
        return method.bind(target);
      },
    }),
    transferIds: [transferId],
    end: async () => void (await queue.finish(lease, REPLICATED)),
  };
}

test('an end that nobody tells of is found long before the wait is over', async () => {
  const silent = await silentQueue();
  const { queue, transferIds } = silent;
  const waiting = waitForEnd({ queue, clock, transferIds, waitMs: LONG_MS }, new AbortController().signal);
  await silent.end();
  const startedMs = clock.monotonicMs();
  assert.equal(await waiting, true);
  assert(clock.monotonicMs() - startedMs < LONG_MS / 4);
});

test('an end that nobody told of is seen when the wait is over', async () => {
  const silent = await silentQueue();
  const { queue, transferIds } = silent;
  const waiting = waitForEnd({ queue, clock, transferIds, waitMs: 50 }, new AbortController().signal);
  await silent.end();
  assert.equal(await waiting, true);
});

test('a wait that is over says so, and one that nobody wants any more ends', async () => {
  const { queue, transferIds } = await silentQueue();
  const gone = new AbortController();
  assert.equal(await waitForEnd({ queue, clock, transferIds, waitMs: 20 }, gone.signal), false);
  const waiting = waitForEnd({ queue, clock, transferIds, waitMs: LONG_MS }, gone.signal);
  gone.abort();
  assert.equal(await waiting, false);
});
