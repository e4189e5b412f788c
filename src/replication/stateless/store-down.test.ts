// What a shell does with messages while a store is down, where it is paid for by the time it waits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import { fateName, MessageWorld } from './testing/message-world.ts';

const KEYS = Array.from({ length: 12 }, (_, n) => `object-${n}`);
const LONGEST_WAIT_MS = 10_000;

function worldOfOutage() {
  const world = new MessageWorld();
  let isDown = true;
  const look = world.target.look.bind(world.target);
  const target = {
    look: async (...request: Parameters<typeof look>) => {
      if (isDown) throw new Fault('target_unavailable', 'nobody answers');
      return look(...request);
    },
  };
  return { world, target, end: () => void (isDown = false) };
}

test('while a store is down the messages wait in the queue, and none is left or given back', async () => {
  const { world, target, end } = worldOfOutage();
  const runner = world.runner({ target, longestWaitMs: LONGEST_WAIT_MS, maxConcurrency: 4 });
  const began = world.clock.monotonicMs();
  const fates = await Promise.all(KEYS.map(async (key) => runner.run(world.held([{ key }]))));
  assert.deepEqual(new Set(fates.map(fateName)), new Set(['acknowledge']));
  const tookMs = world.clock.monotonicMs() - began;
  assert.ok(tookMs < 3 * LONGEST_WAIT_MS, `${tookMs} ms`);
  const copies = [...(await world.sent()), ...(await world.sent())];
  assert.deepEqual(
    copies.map(({ body }) => /"key":"([^"]+)"/.exec(body)?.[1] ?? '').toSorted(),
    KEYS.toSorted(),
  );
  // None has used up an attempt.
  for (const { carried } of copies) assert.partialDeepStrictEqual(carried, { attemptCount: 0 });
  end();
  const again = await Promise.all(copies.map(async ({ body }) => runner.run(world.holding(body))));
  assert.deepEqual(new Set(again.map(fateName)), new Set(['acknowledge']));
});

test('without a queue they fail with what the store said, soon', async () => {
  const { world, target } = worldOfOutage();
  const runner = world.runner({
    target,
    send: null,
    longestWaitMs: LONGEST_WAIT_MS,
    maxConcurrency: 4,
  });
  const began = world.clock.monotonicMs();
  const fates = await Promise.all(KEYS.map(async (key) => runner.run(world.held([{ key }]))));
  assert.deepEqual(new Set(fates.map(fateName)), new Set(['leave: target_unavailable']));
  assert.ok(world.clock.monotonicMs() - began < 3 * LONGEST_WAIT_MS);
});

test('a wait for other attempts is no wait for a store: it goes on', async () => {
  const world = new MessageWorld();
  const look = world.target.look.bind(world.target);
  const target = {
    look: async (...request: Parameters<typeof look>) => {
      await world.clock.sleep(4 * LONGEST_WAIT_MS, request[1]);
      return look(...request);
    },
  };
  const runner = world.runner({ target, longestWaitMs: LONGEST_WAIT_MS, maxConcurrency: 1 });
  const fates = await Promise.all(
    KEYS.slice(0, 3).map(async (key) => runner.run(world.holding(bodyOf(world, key), { holdMs: 3_600_000 }))),
  );
  assert.deepEqual(fates.map(fateName), ['acknowledge', 'acknowledge', 'acknowledge']);
  assert.deepEqual(await world.sent(), []);
});

function bodyOf(world: MessageWorld, key: string): string {
  return world.held([{ key }]).body;
}
