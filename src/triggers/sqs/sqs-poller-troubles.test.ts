// The poller on bad days: stores that cannot store, a machine in trouble, a queue that refuses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import type { MessageQueueCall } from '../../messages/memory/memory-message-queue.ts';
import { notificationOf, openPollerWorld, pass, type PollerWorld } from './testing/poller-world.ts';

const signal = new AbortController().signal;

async function storedAll(world: PollerWorld): Promise<void> {
  await world.until('the deletes', () => world.messages.size === 0);
  await world.stop();
}

test('while nothing can be stored nothing is deleted, nothing is asked for, and it is told once', async () => {
  let isFull = true;
  let receives = 0;
  const world = openPollerWorld({
    accept: (own) => async (request) => {
      if (isFull) throw new Error('the disk is full');
      return own(request);
    },
    checkWritable: async () => {
      if (isFull) throw new Error('the disk is full');
    },
    messages: {
      trouble: (call) => {
        if (call === 'receive') receives += 1;
        return null;
      },
    },
  });
  await world.send(notificationOf('a'), notificationOf('b'));
  await world.until('the pause', () => world.told.length === 1);
  assert.deepEqual(world.poller.state().pause?.detail, 'the disk is full');
  await world.settle();
  const before = receives;
  await pass(world, 10 * 60_000);
  assert.equal(world.messages.size, 2);
  assert.equal(receives, before, 'Messages that nobody could store must not wander to the dead letters');
  isFull = false;
  await pass(world, 10_000);
  await storedAll(world);
  assert.deepEqual(await world.keys(), ['a', 'b']);
  assert.deepEqual(world.told, ['paused: queue', 'resumed: queue']);
  assert.deepEqual(world.results, { returned: 2, accepted: 2 });
});

test('messages that could not be stored can be received again within seconds, by whoever can store', async () => {
  const world = openPollerWorld({
    accept: () => async () => Promise.reject(new Error('the disk is full')),
    checkWritable: async () => Promise.reject(new Error('the disk is full')),
  });
  await world.send(notificationOf('a'));
  await world.until('the return', () => world.results.returned === 1);
  await pass(world, 6_000);
  const [other] = await world.messages.receive({ max: 10, waitSec: 0, visibilitySec: 30 }, signal);
  assert.equal(other?.receiveCount, 2);
  await world.stop();
});

test('one message that cannot be stored again and again is quarantined with the reason, the others are stored at once', async () => {
  const world = openPollerWorld({
    accept: (own) => async (request) => {
      if (request.items.some(({ source }) => source.key === 'poison')) throw new Error('a mistake of ours');
      return own(request);
    },
  });
  const keys = ['a', 'poison', 'b'];
  await world.send(...keys.map((key) => notificationOf(key)));
  await world.until('the others', () => world.messages.size === 1);
  assert.deepEqual(await world.keys(), ['a', 'b']);
  await pass(world, 60_000);
  await storedAll(world);
  assert.deepEqual(world.results, { accepted: 2, returned: 2, quarantined: 1 });
  assert.deepEqual(world.told, []);
  const { records } = await world.queue.listQuarantine({ cursor: null, limit: 10 });
  assert.deepEqual(
    records.map(({ raw, reason }) => [raw, reason]),
    [[notificationOf('poison'), 'the service cannot store what the message says: a mistake of ours']],
  );
});

test('while the machine is in trouble no messages are asked for, and it is told once', async () => {
  const world = openPollerWorld();
  await world.settle();
  world.gate.beginHostTrouble('disk_reserve', '5 bytes are free');
  // The long poll that was under way may still bring one answer.
  await pass(world, 20_000);
  await world.send(notificationOf('a'));
  await pass(world, 10 * 60_000);
  assert.equal(world.messages.size, 1);
  assert.equal(world.poller.state().pause?.detail, '5 bytes are free');
  world.gate.endHostTrouble('disk_reserve');
  await pass(world, 2_000);
  await storedAll(world);
  assert.deepEqual(world.told, ['paused: disk_reserve', 'resumed: disk_reserve']);
});

test('changes wait for room where too many are on their way to the disk', async () => {
  const world = openPollerWorld();
  assert.equal(world.gate.holdChanges(50_000), null);
  await world.send(notificationOf('a'));
  await pass(world, 60_000);
  assert.deepEqual([world.messages.size, await world.keys()], [1, []]);
  world.gate.changesStored(50_000);
  await pass(world, 1_000);
  await storedAll(world);
  assert.deepEqual(world.results, { accepted: 1 });
});

for (const code of ['queue_missing', 'queue_denied', 'credentials_invalid', 'queue_unavailable'] as const)
  test(`${code} is told once, asked again with patience, and told when it is over`, async () => {
    let isDown = true;
    let receives = 0;
    const world = openPollerWorld({
      random: 0.999,
      messages: {
        trouble: (call) => {
          if (call !== 'receive' || !isDown) return null;
          receives += 1;
          return new Fault(code, 'no');
        },
      },
    });
    await world.send(notificationOf('a'));
    await pass(world, 15 * 60_000);
    assert.deepEqual(world.told, [`down: ${code}`]);
    assert.deepEqual(world.begun, [], 'Nothing is received before the queue has answered');
    assert.ok(receives >= 30 && receives <= 40, `${receives} receives in a quarter of an hour`);
    assert.equal(world.poller.state().trouble?.fault.code, code);
    isDown = false;
    await pass(world, 31_000);
    await storedAll(world);
    assert.deepEqual(world.told, [`down: ${code}`, 'up']);
    assert.equal(world.begun.length, 1);
    assert.equal(world.poller.state().trouble, null);
    assert.deepEqual(await world.keys(), ['a']);
  });

test('one failure that passes by itself is not told', async () => {
  let failures = 1;
  const world = openPollerWorld({
    messages: {
      trouble: (call) =>
        call === 'receive' && failures-- > 0 ? new Fault('queue_unavailable', 'reset') : null,
    },
  });
  await pass(world, 5_000);
  await world.send(notificationOf('a'));
  await storedAll(world);
  assert.deepEqual(world.told, []);
});

test('messages that cannot be deleted come again, are not stored again, and it is told once', async () => {
  let isDenied = true;
  let inserts = 0;
  const calls: MessageQueueCall[] = [];
  const world = openPollerWorld({
    accept: (own) => async (request) => {
      inserts += request.items.length;
      return own(request);
    },
    messages: {
      trouble: (call) => {
        calls.push(call);
        return call === 'delete' && isDenied
          ? new Fault('queue_denied', 'sqs:DeleteMessage is denied')
          : null;
      },
    },
  });
  await world.send(notificationOf('a'), notificationOf('b'));
  await pass(world, 10 * 60_000);
  assert.equal(inserts, 2);
  assert.equal(world.messages.size, 2);
  assert.equal(world.told.filter((line) => line === 'down: queue_denied').length, 1);
  assert.ok(calls.filter((call) => call === 'delete').length <= 40);
  isDenied = false;
  await pass(world, 120_000);
  await storedAll(world);
  assert.equal(inserts, 2);
  assert.equal(world.told.at(-1), 'up');
  assert.equal(world.results.accepted, 2);
  assert.ok((world.results.repeated ?? 0) >= 2);
});
