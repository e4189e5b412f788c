import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { Fault, type FaultCode } from '../core/faults.ts';
import { startRechecking } from './recheck-parked.ts';
import { LEASE_MS, RULE, World } from './testing/world.ts';
import { Worker } from './worker.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** A world whose source fails for each key as `faultOf` says at that moment; null lets it through. */
function startWorld(faultOf: (key: string) => FaultCode | null): World {
  const world = new World();
  const check = (key: string): void => {
    const code = faultOf(key);
    if (code !== null) throw new Fault(code, `${code} on purpose`);
  };
  const worker = new Worker({
    queue: world.queue,
    rules: [RULE, { ...RULE, name: 'second' }],
    stores: world.stores({
      source: {
        look: async (at, signal) => {
          check(at.key);
          return world.source.look(at, signal);
        },
        read: async (request, signal) => {
          check(request.location.key);
          return world.source.read(request, signal);
        },
      },
    }),
    clock: world.clock,
    random: { next: () => 0.5 },
    happenings: world.happenings(),
    maxConcurrency: 4,
    maxAttempts: 3,
    backoff: { baseMs: 1000, capMs: 300_000 },
    leaseMs: LEASE_MS,
  });
  worker.start();
  stops.push(async () => worker.stop(0));
  return world;
}

function startRecheck(world: World): void {
  const { queue, clock } = world;
  const rechecking = startRechecking({ queue, clock, happenings: world.happenings() });
  stops.unshift(() => rechecking.stop());
}

async function put(world: World, keys: readonly string[], ruleName = RULE.name): Promise<void> {
  for (const key of keys) {
    world.source.put({ bucket: 'from', key }, Buffer.from(key));
    await world.accept({ key }, { ...RULE, name: ruleName });
  }
}

/** Lets everything that is ready run until `isSo`. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 1_000_000; turn += 1) {
    if (await isSo()) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  throw new Error('It never came to be');
}

async function parkedCount(world: World): Promise<number> {
  return (await world.queue.counts()).byStatus.parked;
}

function toldOf(world: World, name: string): Record<string, unknown>[] {
  return world.told.filter((entry) => entry.name === name).map(({ event }) => event);
}

test('a class that stays broken costs one attempt a round, each time of another transfer', async () => {
  const keys = ['a', 'b', 'c', 'd'];
  const world = startWorld(() => 'access_denied');
  await put(world, keys);
  await until(async () => (await parkedCount(world)) === keys.length);
  world.clock.advance(1);
  const startMs = world.clock.nowMs();
  startRecheck(world);
  await until(() => toldOf(world, 'parkedRechecked').length === 5);
  const rounds = toldOf(world, 'parkedRechecked');
  const elapsedMs = world.clock.nowMs() - startMs;
  assert.ok(
    elapsedMs >= 4 * 900_000 && elapsedMs < 5 * 900_000,
    `five rounds, the first at once: ${elapsedMs}`,
  );
  assert.equal(new Set(rounds.slice(0, 4).map(({ transferId }) => transferId)).size, 4);
  assert.equal(rounds[0]?.['transferId'], rounds[4]?.['transferId']);
  assert.deepEqual([...new Set(rounds.map(({ count }) => count))], [4]);
  await until(async () => (await parkedCount(world)) === keys.length);
  assert.equal(toldOf(world, 'transferParked').length, keys.length + rounds.length);
  assert.deepEqual(toldOf(world, 'parkedClassRedriven'), []);
});

test('when the reason is gone the example succeeds and the rest of its class follows, told once', async () => {
  const keys = Array.from({ length: 30 }, (_, index) => `key-${index}`);
  let isDenied = true;
  const world = startWorld((key) => {
    if (key === 'huge') return 'too_large';
    return isDenied ? 'access_denied' : null;
  });
  await put(world, [...keys, 'huge']);
  await until(async () => (await parkedCount(world)) === 31);
  startRecheck(world);
  await until(() => toldOf(world, 'parkedRechecked').length === 1);
  isDenied = false;
  await until(async () => (await parkedCount(world)) === 1);
  await until(async () => (await world.queue.counts()).byStatus.queued === 0);
  await until(() => toldOf(world, 'transferFinished').length === 30);
  assert.deepEqual(
    toldOf(world, 'parkedClassRedriven').map(({ ruleName, faultCode, redriven }) => [
      ruleName,
      faultCode,
      redriven,
    ]),
    [['default', 'access_denied', 29]],
  );
  for (const key of keys) {
    const bytes = world.target.bytesOf({ bucket: 'to', key });
    assert.equal(bytes === null ? null : Buffer.from(bytes).toString(), key);
  }
  assert.deepEqual(
    (await world.queue.parkedClasses()).map(({ faultCode }) => faultCode),
    ['too_large'],
    'a fault of an object itself is never rechecked',
  );
});

test('classes are rechecked apart: the cure of one rule redrives nothing of another', async () => {
  let isDenied = true;
  const world = startWorld((key) => (isDenied || key.startsWith('second') ? 'access_denied' : null));
  await put(world, ['a', 'b', 'c']);
  await put(world, ['second/a', 'second/b'], 'second');
  await until(async () => (await parkedCount(world)) === 5);
  isDenied = false;
  startRecheck(world);
  await until(async () => (await parkedCount(world)) === 2);
  const redriven = toldOf(world, 'parkedClassRedriven');
  assert.deepEqual(
    redriven.map((event) => [event['ruleName'], event['redriven']]),
    [['default', 2]],
  );
});

test('an example that waits for a store is not joined by another, and its end still counts', async () => {
  let fault: FaultCode | null = 'access_denied';
  const world = startWorld(() => fault);
  await put(world, ['a', 'b', 'c']);
  await until(async () => (await parkedCount(world)) === 3);
  const startMs = world.clock.nowMs();
  fault = 'source_unreachable';
  startRecheck(world);
  await until(() => world.clock.nowMs() - startMs > 3 * 900_000);
  assert.equal(toldOf(world, 'parkedRechecked').length, 1);
  assert.equal(await parkedCount(world), 2);
  fault = null;
  await until(() => toldOf(world, 'transferFinished').length === 3);
  assert.equal(toldOf(world, 'parkedClassRedriven').length, 1);
});

test('an attempt that fails while a change arrives shows nothing of its class', async () => {
  const world = startWorld(() => 'access_denied');
  await put(world, ['a', 'b', 'c']);
  await until(async () => (await parkedCount(world)) === 3);
  let isChanged = false;
  const unlisten = world.queue.onChanged((ids) => {
    if (isChanged || toldOf(world, 'parkedRechecked').length === 0) return;
    isChanged = true;
    void Promise.all(ids.map(async () => world.accept({ key: 'a' })));
  });
  startRecheck(world);
  await until(() => toldOf(world, 'parkedRechecked').length === 3);
  unlisten();
  assert.ok(isChanged);
  assert.deepEqual(toldOf(world, 'parkedClassRedriven'), []);
});

test('a queue in trouble is told, and the next round goes on', async () => {
  const world = startWorld(() => null);
  let calls = 0;
  const queue = new Proxy(world.queue, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target) as unknown;
      if (name === 'parkedClasses' && (calls += 1) === 1)
        return async () => Promise.reject(new Error('database is locked'));
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const rechecking = startRechecking({ queue, clock: world.clock, happenings: world.happenings() });
  stops.unshift(() => rechecking.stop());
  await until(() => calls === 3);
  assert.deepEqual(
    toldOf(world, 'workerTroubled').map(({ doing, error }) => [doing, String(error)]),
    [['rechecking parked transfers', 'Error: database is locked']],
  );
});
