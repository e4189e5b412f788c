// Objects that a shell cannot bring to their end in the time that a message can be held.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../../core/faults.ts';
import { RULE, SOURCE } from '../testing/world.ts';
import type { HandOver } from './hand-over.ts';
import { TimeIsUp } from './held-message.ts';
import { fateName, MessageWorld } from './testing/message-world.ts';

const HOUR_MS = 3_600_000;

function service(): { readonly taken: string[]; readonly handOver: HandOver } {
  const taken: string[] = [];
  return { taken, handOver: async (document) => void taken.push(document) };
}

function worldOfLarge(): MessageWorld {
  const world = new MessageWorld();
  world.source.put(SOURCE, Buffer.alloc(1_000, 'x'));
  return world;
}

/** A message whose visibility is extended for as long as somebody works on it. */
function heldForLong(world: MessageWorld, options: { readonly receiveCount?: number } = {}) {
  return world.holding(world.held().body, { holdMs: 12 * HOUR_MS, ...options });
}

test('what is larger than the shell copies is handed over before a byte moves, and its message acknowledged', async () => {
  const world = worldOfLarge();
  const { taken, handOver } = service();
  const runner = world.runner({ handOver, maxCarriedBytes: 999 });
  assert.equal(fateName(await runner.run(world.held())), 'acknowledge');
  assert.equal(taken.length, 1);
  assert.match(taken[0] ?? '', /"key":"a%2Fb\+c.txt"/);
  assert.equal(world.targetText(), null);
  assert.ok(!world.calls.includes('target.openUpload'));
  assert.deepEqual(await world.sent(), []);
});

test('a redelivered message that is handed over is looked at after the grace as well', async () => {
  const world = worldOfLarge();
  const { handOver } = service();
  const runner = world.runner({ handOver, maxCarriedBytes: 999 });
  assert.equal(fateName(await runner.run(world.held([{}], { receiveCount: 2 }))), 'acknowledge');
  assert.deepEqual(
    (await world.sent()).map(({ reason }) => reason),
    ['taken_over'],
  );
});

test('what is large and current already is handed over to nobody', async () => {
  const world = worldOfLarge();
  await world.runner().run(world.held());
  const { taken, handOver } = service();
  const runner = world.runner({ handOver, maxCarriedBytes: 999 });
  assert.equal(fateName(await runner.run(world.held())), 'acknowledge');
  assert.deepEqual(taken, []);
});

test('without a service it is a fault with a name, and the message stays for a person', async () => {
  const world = worldOfLarge();
  const fate = await world.runner({ maxCarriedBytes: 999 }).run(world.held());
  assert.equal(fateName(fate), 'leave: time_too_short');
  assert.match(fate.kind === 'leave' ? (fate.fault?.message ?? '') : '', /1000 bytes.*999/);
});

test('a service that does not answer is asked again by a copy; one that refuses needs a person', async () => {
  const world = worldOfLarge();
  const handOver = (code: 'service_unreachable' | 'service_refused'): HandOver => {
    return () => Promise.reject(new Fault(code, 'no'));
  };
  const later = world.runner({
    handOver: handOver('service_unreachable'),
    maxCarriedBytes: 999,
    backoffMs: 60_000,
  });
  assert.equal(fateName(await later.run(world.held())), 'acknowledge');
  assert.deepEqual(
    (await world.sent()).map(({ carried }) => carried),
    [{ attemptCount: 0, waitCount: 1 }],
  );
  const never = world.runner({ handOver: handOver('service_refused'), maxCarriedBytes: 999 });
  assert.equal(fateName(await never.run(world.held())), 'leave: service_refused');
});

/** An upload of which a tenth moves in each hour. */
function slowUpload(world: MessageWorld, msPerChunk: number) {
  const sendUpload = world.target.sendUpload.bind(world.target);
  return {
    sendUpload: async (...[request, signal]: Parameters<typeof sendUpload>) => {
      async function* body() {
        for await (const chunk of request.body) {
          await world.clock.sleep(msPerChunk, signal);
          yield chunk;
        }
      }
      return sendUpload({ ...request, body: body() }, signal);
    },
  };
}

test('a copy that is too slow for the time there is goes to the service as soon as that shows', async () => {
  const world = worldOfLarge();
  const { taken, handOver } = service();
  const began = world.clock.monotonicMs();
  const runner = world.runner({ handOver, target: slowUpload(world, 600_000) });
  assert.equal(fateName(await runner.run(heldForLong(world))), 'acknowledge');
  assert.equal(taken.length, 1);
  assert.ok(world.clock.monotonicMs() - began < 3 * HOUR_MS);
  assert.ok(world.names().includes('uploadTooSlow'));
  assert.ok(world.names().includes('transferHandedOver'));
});

test('without a service a slow copy goes on until its time is up, and is a fault with a name then', async () => {
  const world = worldOfLarge();
  const message = heldForLong(world);
  const runner = world.runner({ target: slowUpload(world, 600_000) });
  const fate = runner.run(message);
  await world.clock.sleep(11 * HOUR_MS, new AbortController().signal);
  message.end(new TimeIsUp('11 hours'));
  assert.equal(fateName(await fate), 'leave: time_too_short');
  assert.ok(world.names().includes('uploadTooSlow'));
});

test('a transfer that began late in the time of its message goes on as a copy, to have a whole time of its own', async () => {
  const world = worldOfLarge();
  const { taken, handOver } = service();
  const message = heldForLong(world);
  await world.clock.sleep(8 * HOUR_MS, new AbortController().signal);
  const fate = world.runner({ handOver, target: slowUpload(world, 60_000) }).run(message);
  await world.clock.sleep(HOUR_MS / 2, new AbortController().signal);
  message.end(new TimeIsUp('no time'));
  assert.equal(fateName(await fate), 'acknowledge');
  assert.deepEqual(taken, []);
  assert.equal((await world.sent(900)).length, 1);
});

test('a small object whose time is up has failed at nothing', async () => {
  const world = new MessageWorld();
  world.put('hello');
  const message = world.held();
  const look = world.target.look.bind(world.target);
  const runner = world.runner({
    target: {
      look: async (...[location, signal]) => {
        message.end(new TimeIsUp('no time'));
        return look(location, signal);
      },
    },
  });
  assert.equal(fateName(await runner.run(message)), 'acknowledge');
  assert.equal((await world.sent(900)).length, 1);
});

test('a delete that the brake holds leaves its message for a person, and is sent once it is let go', async () => {
  const world = new MessageWorld();
  const rule = {
    ...RULE,
    deletes: 'mirror' as const,
    deleteBrake: { count: 0, sharePercent: 100, windowMs: HOUR_MS },
  };
  world.put('hello');
  const runner = world.runner({ rules: [rule] });
  await runner.run(world.held());
  world.source.remove(SOURCE);
  assert.equal(fateName(await runner.run(world.held())), 'leave: delete_brake');
  assert.equal(world.targetText(), 'hello');
  await world.deleteBrake.release(rule.name, 1, world.clock.nowMs());
  assert.equal(fateName(await runner.run(world.held())), 'acknowledge');
  assert.equal(world.targetText(), null);
});
