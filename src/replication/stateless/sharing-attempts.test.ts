// Messages of one object: who shares an attempt, who waits for the next, and who goes back into the queue.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import { SOURCE } from '../testing/world.ts';
import { fateName, MessageWorld } from './testing/message-world.ts';

/** A target whose looks wait until they are let go, and a word when the first of them waits. */
function slowTarget(world: MessageWorld) {
  const gate = Promise.withResolvers<void>();
  const reached = Promise.withResolvers<void>();
  const look = world.target.look.bind(world.target);
  const target = {
    look: async (...request: Parameters<typeof look>) => {
      const answer = await look(...request);
      reached.resolve();
      await gate.promise;
      return answer;
    },
  };
  return { target, reached: reached.promise, open: () => gate.resolve() };
}

test('messages that come together share one attempt, one that comes after its first look gets the next', async () => {
  const world = new MessageWorld();
  world.put('one');
  const { target, reached, open } = slowTarget(world);
  const runner = world.runner({ target });
  const first = [runner.run(world.held()), runner.run(world.held())];
  await reached;
  // It tells of something that the look under way has not seen.
  world.put('two');
  const later = [runner.run(world.held()), runner.run(world.held())];
  open();
  assert.deepEqual((await Promise.all([...first, ...later])).map(fateName), Array(4).fill('acknowledge'));
  assert.equal(world.targetText(), 'two');
  assert.equal(world.names().filter((name) => name === 'transferStarted').length, 2);
  assert.deepEqual(
    world.told.filter(({ name }) => name === 'changeAccepted').map(({ event }) => event['joined']),
    [false, true, true, true],
  );
});

test('whoever comes while a failed attempt waits for the next one shares that', async () => {
  const world = new MessageWorld();
  world.put('one');
  let failures = 1;
  const look = world.target.look.bind(world.target);
  const failed = Promise.withResolvers<void>();
  const runner = world.runner({
    backoffMs: 8_000,
    target: {
      look: async (...request) => {
        if (failures === 0) return look(...request);
        failures -= 1;
        failed.resolve();
        throw new Fault('target_error', 'once');
      },
    },
  });
  const first = runner.run(world.held());
  await failed.promise;
  const second = runner.run(world.held([{}], { receiveCount: 2 }));
  assert.deepEqual([fateName(await first), fateName(await second)], ['acknowledge', 'acknowledge']);
  assert.equal(world.names().filter((name) => name === 'transferStarted').length, 2);
  // What one of them owes, the attempt that they share owes.
  assert.deepEqual(
    (await world.sent()).map(({ reason }) => reason),
    ['taken_over'],
  );
});

test('an object that is under way for long does not gather all its messages: they wait in the queue', async () => {
  const world = new MessageWorld();
  world.put('one');
  const { target, reached, open } = slowTarget(world);
  const runner = world.runner({ target });
  const first = runner.run(world.held());
  await reached;
  const others = Array.from({ length: 25 }, () => runner.run(world.held()));
  const early = await Promise.all(others.slice(20));
  assert.deepEqual(early.map(fateName), Array(5).fill('acknowledge'));
  open();
  await Promise.all([first, ...others]);
  assert.deepEqual(await world.sent(59), []);
  assert.equal((await world.sent(1)).length, 5);
});

test('objects are brought side by side, also those of one message', async () => {
  const world = new MessageWorld();
  for (const key of ['a', 'b', 'c']) world.source.put({ ...SOURCE, key }, Buffer.from(key));
  const message = world.held([{ key: 'a' }, { key: 'b' }, { key: 'c' }, { key: 'a' }]);
  assert.equal(fateName(await world.runner().run(message)), 'acknowledge');
  for (const key of ['a', 'b', 'c'])
    assert.deepEqual(world.target.bytesOf({ bucket: 'to', key }), Buffer.from(key));
  assert.equal(world.names().filter((name) => name === 'transferStarted').length, 3);
});
