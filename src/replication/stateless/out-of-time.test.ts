// What a function does with messages that it has no time for: receipts count towards the dead letters, so none of these
// messages may only be given back.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import { RULE, SOURCE } from '../testing/world.ts';
import { type BatchFailure, convergeBatch } from './converge-batch.ts';
import type { Runner } from './open-runner.ts';
import { fateName, GRACE_MS, MessageWorld } from './testing/message-world.ts';

const CALL_MS = 60_000;

/** One invocation for messages of these bodies. */
async function invoke(
  world: MessageWorld,
  runner: Runner,
  bodies: readonly string[],
  receiveCount = 1,
): Promise<readonly BatchFailure[]> {
  const messages = bodies.map((body, n) => ({ id: `m-${n}`, body, receiveCount, sentAtMs: null }));
  const deadlineMonotonicMs = world.clock.monotonicMs() + CALL_MS;
  return (await convergeBatch(runner, world.clock, { messages, deadlineMonotonicMs })).failures;
}

/** The target takes `ms` for its first look at an object, and then answers as ever. */
function slowTarget(world: MessageWorld, ms: number) {
  const look = world.target.look.bind(world.target);
  return {
    look: async (...request: Parameters<typeof look>) => {
      await world.clock.sleep(ms, request[1]);
      return look(...request);
    },
  };
}

test('a batch that is too much for one call goes on in others, and no message is received twice', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const runner = world.runner({ maxConcurrency: 1, target: slowTarget(world, CALL_MS / 2 - 1_000) });
  let bodies = Array.from({ length: 6 }, (_, n) => world.held([{ key: `object-${n}` }]).body);
  let calls = 0;
  for (; bodies.length > 0 && calls < 10; calls += 1) {
    assert.deepEqual(await invoke(world, runner, bodies), []);
    bodies = (await world.sent()).map(({ body }) => body);
  }
  assert.equal(calls, 3);
});

test('a store that never answers within a call makes the pauses longer, and uses up no attempt', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const runner = world.runner({ target: slowTarget(world, 2 * CALL_MS) });
  let { body } = world.held();
  for (let round = 1; round <= 12; round += 1) {
    assert.deepEqual(await invoke(world, runner, [body]), []);
    const [copy] = await world.sent();
    assert.deepEqual(copy?.carried, { attemptCount: 0, waitCount: round });
    body = copy?.body ?? '';
  }
  assert.ok(world.names().includes('transferGivenBack'));
});

test('too little time for an effect is no lost message', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const runner = world.runner({ target: slowTarget(world, CALL_MS - 1_000) });
  assert.deepEqual(await invoke(world, runner, [world.held().body]), []);
  assert.ok(!world.names().includes('leaseLost'));
  assert.equal((await world.sent()).length, 1);
});

test('an effect under way when the time is up, and a message of somebody else, wait for the grace', async () => {
  for (const receiveCount of [1, 2]) {
    const world = new MessageWorld();
    world.put('hello');
    const runner = world.runner({
      target: {
        insert: async (_, signal) => {
          await world.clock.sleep(2 * CALL_MS, signal);
          throw new Error('nobody waits so long');
        },
      },
    });
    assert.deepEqual(await invoke(world, runner, [world.held().body], receiveCount), []);
    assert.deepEqual(await world.sent(GRACE_MS / 1000 - 1), []);
    assert.equal((await world.sent(1)).length, 1);
  }
});

test('where the queue does not take the copy, the message comes back with what the queue said', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const denied = new Fault('queue_denied', 'sqs:SendMessage is denied');
  const runner = world.runner({
    target: slowTarget(world, 2 * CALL_MS),
    send: () => Promise.reject(denied),
  });
  const [failure] = await invoke(world, runner, [world.held().body]);
  assert.equal(failure && fateName(failure.fate), 'leave: queue_denied');
});

test('without a queue the call fails', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const runner = world.runner({ target: slowTarget(world, 2 * CALL_MS), send: null });
  const [failure] = await invoke(world, runner, [world.held().body]);
  assert.equal(failure && fateName(failure.fate), 'give_back');
});

test('what somebody had before waits for the grace also where it is sent on by itself', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const reserved = { key: '.replicator-parts/x' };
  const message = world.held([{}, reserved], { receiveCount: 2 });
  assert.equal(fateName(await world.runner().run(message)), 'acknowledge');
  assert.deepEqual(await world.sent(GRACE_MS / 1000 - 1), []);
  assert.deepEqual((await world.sent(1)).map(({ reason }) => reason).toSorted(), ['left', 'taken_over']);
});

test('a shell that may work on after its messages became visible again has a longer grace for takeovers alone', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const runner = world.runner({ takeoverGraceMs: 3 * GRACE_MS });
  assert.deepEqual(await invoke(world, runner, [world.held().body], 2), []);
  assert.deepEqual(await world.sent((3 * GRACE_MS) / 1000 - 1), []);
  assert.equal((await world.sent(1)).length, 1);
});

test('a brake that does not answer does not hold a call beyond its time, and nothing is deleted', async () => {
  const world = new MessageWorld();
  const rules = [{ ...RULE, deletes: 'mirror' } as const];
  world.put('hello');
  await world.runner({ rules }).run(world.held());
  world.source.remove(SOURCE);
  const runner = world.runner({ rules, deleteBrake: { ask: async () => new Promise(() => {}) } });
  assert.deepEqual(await invoke(world, runner, [world.held().body]), []);
  assert.equal(world.targetText(), 'hello');
  assert.equal((await world.sent()).length, 1);
});
