import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startPruning } from './prune-history.ts';
import { World } from './testing/world.ts';

test('old receipts and old quarantined records are all forgotten in one round, whatever their numbers', async () => {
  const world = new World();
  for (let index = 0; index < 1_200; index += 1) {
    const id = await world.accept({ key: `k${index}` });
    const { lease } = await world.claim();
    assert.equal(lease.transferId, id);
    await world.queue.finish(lease, { outcome: 'source_gone', receipt: null, owed: false });
  }
  const malformed = Array.from({ length: 700 }, () => ({ reason: 'no key', raw: '{}' }));
  await world.queue.accept({ items: [], quarantine: malformed });
  world.clock.advance(10_000);
  const startedMs = world.clock.nowMs();
  const pruning = startPruning({
    queue: world.queue,
    clock: world.clock,
    happenings: world.happenings(),
    retentionMs: 5_000,
  });
  const isLeft = async (): Promise<boolean> => {
    const page = await world.queue.list({ filter: {}, cursor: null, limit: 1 });
    return page.transfers.length > 0 || (await world.queue.counts()).quarantined > 0;
  };
  while ((await isLeft()) && world.clock.nowMs() - startedMs < 3_600_000) {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  await pruning.stop();
  assert.equal(await isLeft(), false);
  assert.ok(world.clock.nowMs() - startedMs < 60_000, 'It did not wait for the next round');
});

test('ids of deliveries are forgotten two hours after they came, and not before', async () => {
  const world = new World();
  const { clock, queue } = world;
  const isRepeat = async (id: string): Promise<boolean> =>
    (await queue.acceptDelivery(id, { items: [], quarantine: [] })).isRepeat;
  await isRepeat('old');
  clock.advance(30 * 60_000);
  await isRepeat('young');
  clock.advance(91 * 60_000);
  // Its first step, and no more.
  const pruning = startPruning({ queue, clock, happenings: world.happenings(), retentionMs: 86_400_000 });
  await pruning.stop();
  assert.equal(await isRepeat('young'), true);
  assert.equal(await isRepeat('old'), false);
});
