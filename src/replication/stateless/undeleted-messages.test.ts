// What a worker does with messages that it is done with and cannot delete.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import type { MessageQueue } from '../../core/message-queue.ts';
import { SOURCE, withMethods } from '../testing/world.ts';
import type { RunnerOptions } from './open-runner.ts';
import { StatelessWorker } from './stateless-worker.ts';
import { MessageWorld } from './testing/message-world.ts';

const NEVER = new AbortController().signal;
const KEYS = ['a', 'b', 'c'];

test('messages that cannot be deleted do not multiply, and are gone as soon as they can be', async (context) => {
  const world = new MessageWorld();
  for (const key of KEYS) {
    world.source.put({ ...SOURCE, key }, Buffer.from(key));
    await world.messages.send([{ body: world.held([{ key }]).body, delaySec: 0 }], NEVER);
  }
  let isDenied = true;
  const remove = world.messages.delete.bind(world.messages);
  const options = {
    queue: withMethods<MessageQueue>(world.messages, {
      delete: async (...request) => {
        if (isDenied) throw new Fault('queue_denied', 'sqs:DeleteMessage is denied');
        return remove(...request);
      },
    }),
    queueUrl: 'https://queue.example.com/1/changes',
    clock: world.clock,
    random: { next: () => 0.5 },
    happenings: world.allHappenings(),
    openRunner: (own: Partial<RunnerOptions>) => world.runner({ maxConcurrency: 8, ...own }),
    maxConcurrency: 8,
    visibilitySec: 120,
    longestHoldMs: 11 * 3_600_000,
  };
  const worker = new StatelessWorker(options);
  context.after(async () => worker.stop(0));
  worker.start();
  const beganMs = world.clock.monotonicMs();
  while (world.clock.monotonicMs() - beganMs < 1_800_000) await world.clock.sleep(10_000, NEVER);
  assert.equal(world.messages.size, KEYS.length);
  assert.ok(world.names().filter((name) => name === 'workerTroubled').length <= KEYS.length);
  isDenied = false;
  for (let turns = 0; world.messages.size > 0; turns += 1) {
    assert.ok(turns < 100, 'they are still there');
    await world.clock.sleep(10_000, NEVER);
  }
});
