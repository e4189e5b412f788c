import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../core/faults.ts';
import type { Happenings } from '../core/happenings.ts';
import { StoreHealth } from './store-health.ts';
import { World } from './testing/world.ts';
import { watchSource, watchTarget } from './watched-stores.ts';

const NEVER = new AbortController().signal;
const SESSION = { uri: 'nowhere' };

function healthOf(side: 'source' | 'target', world: World): StoreHealth {
  return new StoreHealth({
    side,
    clock: world.clock,
    random: { next: () => 0.5 },
    happenings: new Proxy({} as Happenings, { get: () => () => {} }),
    maxConcurrency: 8,
    inFlight: () => 8,
    backoff: { baseMs: 1000, capMs: 300_000 },
    onUp: () => {},
    countWaiting: async () => null,
  });
}

test('a fault of the source on its way through the target is not laid at the door of the target', async () => {
  const world = new World();
  const health = healthOf('target', world);
  const fault = new Fault('source_unreachable', 'the body broke');
  const { target } = world.stores({
    target: {
      sendUpload: async () => {
        throw fault;
      },
    },
  });
  const watched = watchTarget(target, health);
  const send = { session: SESSION, startByte: 0, lengthBytes: 16, body: (async function* () {})() };
  for (let time = 0; time < 10; time += 1)
    await assert.rejects(watched.sendUpload(send, NEVER), (error) => error === fault);
  assert.equal(health.state().down, null);
  assert.equal(health.hasNoted(fault), false);
});

test('a refusal that shows a living store ends a streak of failures; an abort and an own error say nothing', async () => {
  const world = new World();
  const health = healthOf('source', world);
  let thrown: Error = new Fault('source_unreachable', 'down');
  const { source } = world.stores({
    source: {
      look: async () => {
        throw thrown;
      },
    },
  });
  const watched = watchSource(source, health);
  const fail = async (error: Error, times: number): Promise<void> => {
    thrown = error;
    for (let time = 0; time < times; time += 1)
      await assert.rejects(watched.look({ bucket: 'from', key: 'a' }, NEVER), (got) => got === error);
  };
  await fail(new Fault('source_unreachable', 'down'), 4);
  await fail(new Fault('access_denied', 'answered 403'), 1);
  await fail(new Fault('source_unreachable', 'down'), 4);
  assert.equal(health.state().down, null);
  await fail(new Error('aborted'), 3);
  await fail(new TypeError('a mistake of ours'), 3);
  await fail(new Fault('source_error', '500'), 3);
  assert.equal(health.state().down, null);
  await fail(new Fault('source_unreachable', 'down'), 1);
  assert.equal(health.state().down?.fault.code, 'source_unreachable');
});

test('too many writes of one name do not slow the other names down', () => {
  const world = new World();
  const health = healthOf('target', world);
  health.failed('write', new Fault('target_throttled', 'one name', { details: { scope: 'object' } }), null);
  assert.equal(health.state().concurrencyLimit, 8);
  health.failed('write', new Fault('target_throttled', 'the bucket'), null);
  assert.equal(health.state().concurrencyLimit, 4);
});
