import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import { MESSAGE_DOCUMENTS } from '../../triggers/message-documents.ts';
import { SOURCE } from '../testing/world.ts';
import { convergeBatch } from './converge-batch.ts';
import { fateName, MessageWorld } from './testing/message-world.ts';

const KEYS = ['a', 'b', 'c', 'd'];

function batchOf(world: MessageWorld, keys: readonly string[], deadlineMs: number) {
  const messages = keys.map((key) => ({
    id: `message of ${key}`,
    body: world.held([{ key }]).body,
    receiveCount: 1,
    sentAtMs: null,
  }));
  return { messages, deadlineMonotonicMs: world.clock.monotonicMs() + deadlineMs };
}

function worldOf(keys: readonly string[]): MessageWorld {
  const world = new MessageWorld();
  for (const key of keys) world.source.put({ ...SOURCE, key }, Buffer.from(key));
  return world;
}

/** The keys that a copy is about. */
function keysOf(body: string): string[] {
  return MESSAGE_DOCUMENTS.read(body).parsed.changes.map(({ key }) => key);
}

test('only what did not end well is named, in the order of the batch', async () => {
  const world = worldOf(KEYS);
  const look = world.target.look.bind(world.target);
  const runner = world.runner({
    target: {
      look: async (location, signal) => {
        if (location.key === 'b' || location.key === 'd') throw new Fault('access_denied', location.key);
        return look(location, signal);
      },
    },
  });
  const { failures } = await convergeBatch(runner, world.clock, batchOf(world, KEYS, 60_000));
  assert.deepEqual(
    failures.map(({ id, fate }) => [id, fateName(fate)]),
    [
      ['message of b', 'leave: access_denied'],
      ['message of d', 'leave: access_denied'],
    ],
  );
});

test('at the deadline everything has stopped, and what has not begun or not ended waits as copies', async () => {
  const world = worldOf(KEYS);
  const look = world.target.look.bind(world.target);
  let underWay = 0;
  const runner = world.runner({
    maxConcurrency: 1,
    target: {
      look: async (location, signal) => {
        underWay += 1;
        try {
          // The second one takes longer than there is time.
          await world.clock.sleep(location.key === 'a' ? 1_000 : 600_000, signal);
        } finally {
          underWay -= 1;
        }
        return look(location, signal);
      },
    },
  });
  const beganMs = world.clock.monotonicMs();
  const { failures } = await convergeBatch(runner, world.clock, batchOf(world, KEYS, 30_000));
  assert.equal(underWay, 0);
  assert.equal(world.clock.monotonicMs() - beganMs, 30_000);
  assert.deepEqual(failures, [], 'a receipt more would bring good messages nearer to the dead letters');
  const copies = (await world.sent(900)).flatMap(({ body }) => keysOf(body));
  assert.deepEqual(copies.toSorted(), ['b', 'c', 'd']);
});

test('no effect is sent so late that its answer could not be waited for', async () => {
  const world = worldOf(['a']);
  const { failures } = await convergeBatch(world.runner(), world.clock, batchOf(world, ['a'], 1_500));
  assert.deepEqual(failures, []);
  assert.deepEqual(
    (await world.sent(900)).flatMap(({ body }) => keysOf(body)),
    ['a'],
  );
  assert.ok(!world.calls.includes('target.insert'));
});

test('a batch leaves no timer behind, and an empty one ends at once', async () => {
  const world = worldOf(['a']);
  const beganMs = world.clock.monotonicMs();
  await convergeBatch(world.runner(), world.clock, batchOf(world, ['a'], 600_000));
  await convergeBatch(world.runner(), world.clock, batchOf(world, [], 600_000));
  assert.equal(world.clock.monotonicMs(), beganMs);
});
