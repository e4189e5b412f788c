// The long-running shell over a queue of messages in memory: what it holds, gives back, and when it receives.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import type { MessageQueue } from '../../core/message-queue.ts';
import { SOURCE, withMethods } from '../testing/world.ts';
import type { RunnerOptions } from './open-runner.ts';
import { StatelessWorker } from './stateless-worker.ts';
import { MAX_RECEIVES, MessageWorld } from './testing/message-world.ts';

const NEVER = new AbortController().signal;
const VISIBILITY_SEC = 120;

interface WorkerOptions extends Pick<Partial<RunnerOptions>, 'maxConcurrency'> {
  readonly queue?: Partial<MessageQueue>;
  readonly target?: Partial<RunnerOptions['stores']['target']>;
  readonly longestHoldMs?: number;
}

/** A worker that ends with its test, also where that fails. */
function workerOf(
  context: { after(run: () => Promise<void>): void },
  world: MessageWorld,
  options: WorkerOptions = {},
): StatelessWorker {
  const { queue = {}, target = {}, maxConcurrency = 8, longestHoldMs = 11 * 3_600_000 } = options;
  const worker = new StatelessWorker({
    queue: withMethods<MessageQueue>(world.messages, queue),
    queueUrl: 'https://queue.example.com/1/changes',
    clock: world.clock,
    random: { next: () => 0.5 },
    happenings: world.allHappenings(),
    openRunner: (own) => world.runner({ target, maxConcurrency, ...own }),
    maxConcurrency,
    visibilitySec: VISIBILITY_SEC,
    longestHoldMs,
  });
  context.after(async () => worker.stop(0));
  return worker;
}

async function send(world: MessageWorld, keys: readonly string[]): Promise<void> {
  for (const key of keys)
    await world.messages.send([{ body: world.held([{ key }]).body, delaySec: 0 }], NEVER);
}

async function until(world: MessageWorld, isSo: () => boolean): Promise<void> {
  for (let turns = 0; !isSo(); turns += 1) {
    assert.ok(turns < 10_000, 'it never came');
    await world.clock.sleep(100, NEVER);
  }
}

const keysOf = (count: number): string[] => Array.from({ length: count }, (_, place) => `object-${place}`);
const isThere = (world: MessageWorld, key: string): boolean =>
  world.target.bytesOf({ bucket: 'to', key }) !== null;

/** Looks at the target wait until they are let go. */
function standing(world: MessageWorld) {
  const gate = Promise.withResolvers<void>();
  let count = 0;
  const look = world.target.look.bind(world.target);
  const target = {
    look: async (...[location, signal]: Parameters<typeof look>) => {
      count += 1;
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
      await Promise.race([gate.promise, aborted]);
      return look(location, signal);
    },
  };
  return { target, open: () => gate.resolve(), count: () => count };
}

test('everything in the queue is copied, acknowledged in batches, and nothing is left', async (context) => {
  const world = new MessageWorld();
  const keys = keysOf(50);
  for (const key of keys) world.source.put({ ...SOURCE, key }, Buffer.from(key));
  await send(world, keys);
  let deletes = 0;
  const worker = workerOf(context, world, {
    queue: {
      delete: async (messages, signal) => {
        deletes += 1;
        return world.messages.delete(messages, signal);
      },
    },
  });
  worker.start();
  await until(world, () => world.messages.size === 0);
  await worker.stop(1_000);
  assert.ok(keys.every((key) => isThere(world, key)));
  assert.ok(deletes < keys.length, `${deletes} calls for ${keys.length} messages`);
  assert.deepEqual(worker.state().inHand, 0);
});

test('no more messages are received than may be worked on', async (context) => {
  const world = new MessageWorld();
  await send(world, keysOf(30));
  const { target, open, count } = standing(world);
  const worker = workerOf(context, world, { target, maxConcurrency: 4 });
  worker.start();
  await until(world, () => count() === 4);
  assert.equal(worker.state().inHand, 4);
  open();
  await until(world, () => world.messages.size === 0);
  await worker.stop(1_000);
});

test('a message stays hidden for as long as its object takes', async (context) => {
  const world = new MessageWorld();
  world.put('hello');
  await send(world, [SOURCE.key]);
  const { target, open, count } = standing(world);
  const worker = workerOf(context, world, { target });
  worker.start();
  await until(world, () => count() === 1);
  await world.clock.sleep(20 * VISIBILITY_SEC * 1000, NEVER);
  assert.deepEqual(await world.messages.receive({ max: 10, waitSec: 0, visibilitySec: 1 }, NEVER), []);
  open();
  await until(world, () => world.messages.size === 0);
  await worker.stop(1_000);
  // Nobody else had it: nothing has to be looked at again.
  assert.ok(!world.names().includes('lookAgainSent'));
});

test('a message whose time cannot be extended is given up before anybody else can have it, and sends nothing more', async (context) => {
  const world = new MessageWorld();
  world.put('hello');
  await send(world, [SOURCE.key]);
  const { target, open, count } = standing(world);
  const worker = workerOf(context, world, {
    target,
    queue: { changeVisibility: () => Promise.reject(new Fault('queue_unavailable', 'no answer')) },
  });
  const sentAtMs = world.clock.monotonicMs();
  worker.start();
  await until(world, () => count() === 1);
  await until(world, () => world.names().includes('leaseLost'));
  const heldMs = world.clock.monotonicMs() - sentAtMs;
  assert.ok(heldMs >= VISIBILITY_SEC * 1000 && heldMs < VISIBILITY_SEC * 1250, `${heldMs} ms`);
  open();
  // It is received again, by this very worker, and owes a look then.
  await until(world, () => world.names().includes('lookAgainSent'));
  await worker.stop(1_000);
  assert.equal(world.targetText(), 'hello');
  assert.equal(world.calls.filter((call) => call === 'target.insert').length, 1);
});

test('a message that somebody else received meanwhile is not acknowledged', async (context) => {
  const world = new MessageWorld();
  world.put('hello');
  await send(world, [SOURCE.key]);
  const { target, open, count } = standing(world);
  const deleted: string[] = [];
  const worker = workerOf(context, world, {
    target,
    queue: {
      changeVisibility: async (messages) =>
        messages.map(({ id }) => ({ id, reason: 'received again', isStale: true })),
      delete: async (messages, signal) => {
        deleted.push(...messages.map(({ id }) => id));
        return world.messages.delete(messages, signal);
      },
      receive: async (request, signal) =>
        count() === 0
          ? world.messages.receive(request, signal)
          : world.clock.sleep(20_000, signal).then(() => []),
    },
  });
  worker.start();
  await until(world, () => world.names().includes('leaseLost'));
  open();
  await worker.stop(1_000);
  assert.deepEqual(deleted, []);
  assert.equal(world.targetText(), null);
});

test('stopping lets what runs end, and gives back at once what has not begun', async (context) => {
  const world = new MessageWorld();
  const keys = keysOf(2);
  for (const key of keys) world.source.put({ ...SOURCE, key }, Buffer.from(key));
  await send(world, keys);
  const { target, open, count } = standing(world);
  const worker = workerOf(context, world, { target });
  worker.start();
  await until(world, () => count() === 2);
  // These wait for the attempts under way.
  await send(world, keys);
  await until(world, () => worker.state().inHand === 4);
  const stopped = worker.stop(60_000);
  await world.clock.sleep(1_000, NEVER);
  open();
  await stopped;
  assert.ok(keys.every((key) => isThere(world, key)));
  assert.equal(world.messages.size, 2);
  const back = await world.messages.receive({ max: 10, waitSec: 0, visibilitySec: 1 }, NEVER);
  assert.equal(back.length, 2);
});

test('what does not end within the grace is aborted and given back', async (context) => {
  const world = new MessageWorld();
  world.put('hello');
  await send(world, [SOURCE.key]);
  const { target, count } = standing(world);
  const worker = workerOf(context, world, { target });
  worker.start();
  await until(world, () => count() === 1);
  const beganMs = world.clock.monotonicMs();
  await worker.stop(5_000);
  assert.ok(world.clock.monotonicMs() - beganMs < 20_000);
  assert.equal((await world.messages.receive({ max: 10, waitSec: 0, visibilitySec: 1 }, NEVER)).length, 1);
});

test('a queue that is down is told of once, asked with pauses, and used again when it is there', async (context) => {
  const world = new MessageWorld();
  world.put('hello');
  await send(world, [SOURCE.key]);
  let isDown = true;
  let receives = 0;
  const worker = workerOf(context, world, {
    queue: {
      receive: async (request, signal) => {
        receives += 1;
        if (isDown) throw new Fault('queue_unavailable', 'no answer');
        return world.messages.receive(request, signal);
      },
    },
  });
  worker.start();
  await world.clock.sleep(600_000, NEVER);
  assert.ok(receives > 10 && receives < 80, `${receives} receives in ten minutes`);
  assert.equal(worker.state().trouble?.fault.code, 'queue_unavailable');
  isDown = false;
  await until(world, () => world.messages.size === 0);
  await worker.stop(1_000);
  const told = world.names().filter((name) => name.startsWith('messageQueue'));
  assert.deepEqual(told, ['messageQueueDown', 'messageQueueUp']);
  assert.equal(world.targetText(), 'hello');
});

test('while a store is down messages stay in the queue, and one at a time finds out whether it still is', async (context) => {
  const world = new MessageWorld();
  const keys = keysOf(100);
  for (const key of keys) world.source.put({ ...SOURCE, key }, Buffer.from(key));
  await send(world, keys);
  let isDown = true;
  let looks = 0;
  const look = world.target.look.bind(world.target);
  const worker = workerOf(context, world, {
    target: {
      look: async (...request) => {
        looks += 1;
        if (isDown) throw new Fault('target_unavailable', 'nobody answers');
        return look(...request);
      },
    },
  });
  worker.start();
  await world.clock.sleep(600_000, NEVER);
  assert.ok(looks > 20 && looks < 120, `${looks} looks in ten minutes`);
  isDown = false;
  await until(world, () => world.messages.size === 0);
  await worker.stop(1_000);
  assert.ok(keys.every((key) => isThere(world, key)));
  assert.deepEqual(
    world.names().filter((name) => name.startsWith('store')),
    ['storeDown', 'storeUp'],
  );
});

test('what nobody can handle goes to the dead letters by the policy of the queue, everything else does not', async (context) => {
  const world = new MessageWorld();
  world.put('hello');
  const bodies = ['hello', '{"some":"document"}', world.held([{ key: '.replicator-parts/x' }]).body];
  for (const body of [...bodies, world.held().body, '{"Records":[]}'])
    await world.messages.send([{ body, delaySec: 0 }], NEVER);
  const worker = workerOf(context, world);
  worker.start();
  await until(world, () => world.messages.size === 0);
  assert.deepEqual([...world.deadLetters.bodies].toSorted(), bodies.toSorted());
  assert.equal(world.names().filter((name) => name === 'recordLeft').length, 2 * MAX_RECEIVES);
  assert.equal(world.names().filter((name) => name === 'transferLeft').length, MAX_RECEIVES);
  assert.equal(world.targetText(), 'hello');
});

test('work on a message ends when it can be held no longer', async (context) => {
  const world = new MessageWorld();
  world.put('hello');
  await send(world, [SOURCE.key]);
  const { target, count } = standing(world);
  const worker = workerOf(context, world, { target, longestHoldMs: 3_600_000 });
  worker.start();
  await until(world, () => count() === 1);
  await world.clock.sleep(3_600_000, NEVER);
  await until(world, () => count() === 2);
  const told = world.told.filter(({ name }) => name === 'transferGivenBack');
  assert.deepEqual(
    told.map(({ event }) => event['reason']),
    ['no_time'],
  );
  await worker.stop(0);
});
