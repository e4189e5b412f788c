import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GroupedCalls } from './grouped-calls.ts';

test('what comes while calls are under way goes together, no more than a call takes', async () => {
  const calls: number[][] = [];
  const gates: (() => void)[] = [];
  const grouped = new GroupedCalls<number>({
    itemsPerCall: 3,
    calls: 1,
    call: async (items) => {
      calls.push([...items]);
      await new Promise<void>((resolve) => gates.push(resolve));
    },
  });
  const done = [1, 2, 3, 4, 5].map((item) => grouped.add(item));
  for (let turn = 0; turn < 3; turn += 1) {
    gates.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(done);
  assert.deepEqual(calls, [[1], [2, 3, 4], [5]]);
});

test('a call that fails fails for its own items only', async () => {
  const grouped = new GroupedCalls<number>({
    itemsPerCall: 1,
    calls: 4,
    call: async ([item]) => (item === 2 ? Promise.reject(new Error('no')) : undefined),
  });
  const ends = await Promise.allSettled([1, 2, 3].map((item) => grouped.add(item)));
  assert.deepEqual(
    ends.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
});
