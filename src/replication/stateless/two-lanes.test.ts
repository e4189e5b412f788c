// Few huge objects beside many small ones: neither lane waits for the other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SOURCE } from '../testing/world.ts';
import { fateName, MessageWorld } from './testing/message-world.ts';

const LARGE_BYTES = 200;

/** A world whose large uploads stand still until they are let go. */
function worldOfUploads(large: readonly string[], small: readonly string[]) {
  const world = new MessageWorld();
  for (const key of large) world.source.put({ ...SOURCE, key }, Buffer.alloc(LARGE_BYTES, key));
  for (const key of small) world.source.put({ ...SOURCE, key }, Buffer.from(key));
  const gate = Promise.withResolvers<void>();
  let standing = 0;
  const openUpload = world.target.openUpload.bind(world.target);
  const target = {
    openUpload: async (...request: Parameters<typeof openUpload>) => {
      standing += 1;
      await gate.promise;
      return openUpload(...request);
    },
  };
  return { world, target, open: () => gate.resolve(), standing: () => standing };
}

const isThere = (world: MessageWorld, key: string): boolean =>
  world.target.bytesOf({ bucket: 'to', key }) !== null;

test('ten huge objects hold a quarter of the slots, and small ones go past them', async () => {
  const large = Array.from({ length: 10 }, (_, place) => `large-${place}`);
  const small = Array.from({ length: 20 }, (_, place) => `small-${place}`);
  const { world, target, open, standing } = worldOfUploads(large, small);
  const runner = world.runner({ target, maxConcurrency: 8 });
  // Nobody knows their sizes before the look.
  const huge = large.map((key) => runner.run(world.held([{ key }])));
  const others = await Promise.all(small.map((key) => runner.run(world.held([{ key }]))));
  assert.deepEqual(new Set(others.map(fateName)), new Set(['acknowledge']));
  assert.ok(small.every((key) => isThere(world, key)));
  assert.equal(standing(), 2);
  open();
  assert.deepEqual(new Set((await Promise.all(huge)).map(fateName)), new Set(['acknowledge']));
  // Those that found too many others waiting went back into the queue, without an attempt counted.
  const copies = await world.sent();
  assert.deepEqual(large.filter((key) => !isThere(world, key)).length, copies.length);
  assert.ok(copies.length > 0);
  for (const { carried } of copies) assert.deepEqual(carried, { attemptCount: 0, waitCount: 0 });
});

test('a notification that tells a large size waits for its lane at once', async () => {
  const { world, target, open } = worldOfUploads(['a', 'b', 'c'], ['small']);
  const runner = world.runner({ target, maxConcurrency: 4 });
  const huge = ['a', 'b', 'c'].map((key) => runner.run(world.held([{ key, sizeBytes: LARGE_BYTES }])));
  assert.equal(fateName(await runner.run(world.held([{ key: 'small' }]))), 'acknowledge');
  // One of them runs; the others took no slot and made no look.
  assert.equal(world.calls.filter((call) => call === 'target.look').length, 2);
  open();
  assert.deepEqual((await Promise.all(huge)).map(fateName), Array(3).fill('acknowledge'));
  assert.ok(['a', 'b', 'c'].every((key) => isThere(world, key)));
});
